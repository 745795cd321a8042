/* fuzz.c - what the fuzz targets share. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"

static char path[256];
static int dir_fd = -1;

static void remove_dir(void)
{
    struct dv_error err = { 0 };

    if (chdir("/") < 0 || dv_remove_tree(AT_FDCWD, path, &err) < 0)
        fprintf(stderr, "remove %s: %s\n", path, err.msg);
}

int fuzz_dir(void)
{
    const char *base = getenv("TMPDIR");

    if (dir_fd >= 0)
        return dir_fd;
    snprintf(path, sizeof(path), "%s/davit-fuzz-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        fuzz_fail("make a folder", path);
    atexit(remove_dir);
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        fuzz_fail("open", path);
    return dir_fd;
}

const char *fuzz_dir_path(void)
{
    (void)fuzz_dir();
    return path;
}

void fuzz_file(int at_fd, const char *name, const void *data, size_t n)
{
    int fd = openat(at_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || dv_write_all(fd, data, n) < 0)
        fuzz_fail("write", name);
    close(fd);
}

int fuzz_next(struct fuzz_part *rest, uint8_t separator, struct fuzz_part *ret)
{
    const uint8_t *end;

    if (rest->n == 0)
        return 0;
    end = memchr(rest->data, separator, rest->n);
    ret->data = rest->data;
    ret->n = end ? (size_t)(end - rest->data) : rest->n;
    rest->data += ret->n + (end != NULL);
    rest->n -= ret->n + (end != NULL);
    return 1;
}

char *fuzz_text(struct fuzz_part *rest, uint8_t separator)
{
    struct fuzz_part part = { NULL, 0 };
    char *text;

    (void)fuzz_next(rest, separator, &part);
    text = calloc(part.n + 1, 1);
    if (!text)
        fuzz_fail("out of memory", "");
    if (part.n)
        memcpy(text, part.data, part.n);
    return text;
}

void fuzz_fail(const char *what, const char *detail)
{
    fprintf(stderr, "fuzz: %s: %s\n", what, detail ? detail : "");
    abort();
}
