/* fuzz.h - what the fuzz targets share: a folder for what a parser reads from files, and the parts of
 * an input that stands for several things. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A new folder of this process below $TMPDIR (/tmp), removed at its end; borrowed. */
int fuzz_dir(void);
const char *fuzz_dir_path(void);
/* The file NAME in DIR_FD has exactly these bytes from now on. */
void fuzz_file(int dir_fd, const char *name, const void *data, size_t n);

/* Take the bytes up to the next SEPARATOR off the front; false if none are left. */
struct fuzz_part {
    const uint8_t *data;
    size_t n;
};
int fuzz_next(struct fuzz_part *rest, uint8_t separator, struct fuzz_part *ret);
/* The same as a string; "" at the end. Caller frees. */
char *fuzz_text(struct fuzz_part *rest, uint8_t separator);

/* What must hold of every input: aborts, saying so. */
void fuzz_fail(const char *what, const char *detail) __attribute__((noreturn));
