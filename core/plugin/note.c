/* note.c - read the davit note of an ELF file without running or mapping any of it.
 *
 * The file may be anything: each offset and size is checked against the file and a named limit. */

#include "core/plugin/internal.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
    MAX_PHDRS = 128,
    MAX_NOTE_SEGMENT = 64 << 10,
    NOTE_TYPE = 1,
};
#define OWNER "davit"

#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#elif defined(__riscv)
#define HOST_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define HOST_MACHINE EM_PPC64
#elif defined(__s390x__)
#define HOST_MACHINE EM_S390
#else
#error "name this machine's e_machine here"
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST_DATA ELFDATA2LSB
#else
#define HOST_DATA ELFDATA2MSB
#endif

/* A file or memory that is read by offset. */
struct source {
    const char *path;
    int fd;              /* or -1: DATA */
    const uint8_t *data;
    uint64_t len;
};

/* Exactly N bytes at OFF, or INVALID. */
static int read_at(const struct source *s, uint64_t off, void *out, size_t n, const char *what,
                   struct dv_error *err)
{
    ssize_t got;

    if (off > s->len || n > s->len - off)
        return dv_fail(err, DV_E_INVALID, "plugin %s: its %s lies outside the file", s->path, what);
    if (s->fd < 0) {
        memcpy(out, s->data + off, n);
        return 0;
    }
    for (size_t done = 0; done < n; done += (size_t)got) {
        got = pread(s->fd, (uint8_t *)out + done, n - done, (off_t)(off + done));
        if (got < 0 && errno == EINTR) {
            got = 0;
            continue;
        }
        if (got < 0)
            return dv_fail_errno(err, DV_E_INTERNAL, "plugin %s: read its %s", s->path, what);
        if (got == 0)
            return dv_fail(err, DV_E_INVALID, "plugin %s: its %s lies outside the file", s->path,
                           what);
    }
    return 0;
}

static int check_header(const struct source *s, Elf64_Ehdr *eh, struct dv_error *err)
{
    int r;

    if (s->len < sizeof(*eh))
        return dv_fail(err, DV_E_INVALID, "plugin %s is not a shared object: %llu bytes only",
                       s->path, (unsigned long long)s->len);
    r = read_at(s, 0, eh, sizeof(*eh), "ELF header", err);
    if (r < 0)
        return r;
    if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s is not a shared object: no ELF header; is it the right file?",
                       s->path);
    if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != HOST_DATA ||
        eh->e_machine != HOST_MACHINE)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s is for ELF class %u, machine %u, this engine for class %u, "
                       "machine %u: get the build for this machine",
                       s->path, eh->e_ident[EI_CLASS], eh->e_machine, ELFCLASS64, HOST_MACHINE);
    if (eh->e_type != ET_DYN)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s has ELF type %u, expected a shared object (%u): link it with "
                       "-shared",
                       s->path, eh->e_type, ET_DYN);
    if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum == 0 || eh->e_phnum > MAX_PHDRS)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s has %u program headers of %u bytes, expected 1 to %d of %zu",
                       s->path, eh->e_phnum, eh->e_phentsize, MAX_PHDRS, sizeof(Elf64_Phdr));
    return 0;
}

/* Look through one note segment. 1: found, 0: not there (a malformed tail ends the search). */
static int scan_notes(const uint8_t *p, size_t len, size_t align, struct dv_note *ret)
{
    Elf64_Nhdr nh;
    size_t name, desc;

    while (len >= sizeof(nh)) {
        memcpy(&nh, p, sizeof(nh));
        p += sizeof(nh);
        len -= sizeof(nh);
        name = ((size_t)nh.n_namesz + 3) & ~(size_t)3;
        /* With 8-byte notes the descriptor starts on 8 from the note's start (12 bytes in). */
        if (align == 8)
            name = ((sizeof(nh) + (size_t)nh.n_namesz + 7) & ~(size_t)7) - sizeof(nh);
        if (name > len)
            return 0;
        desc = ((size_t)nh.n_descsz + align - 1) & ~(align - 1);
        if (nh.n_descsz > len - name)
            return 0;
        if (nh.n_namesz == sizeof(OWNER) && nh.n_type == NOTE_TYPE &&
            nh.n_descsz == sizeof(*ret) && memcmp(p, OWNER, sizeof(OWNER)) == 0) {
            memcpy(ret, p + name, sizeof(*ret));
            return 1;
        }
        if (desc > len - name)
            return 0;
        p += name + desc;
        len -= name + desc;
    }
    return 0;
}

static int find_note(const struct source *s, struct dv_note *ret, struct dv_error *err)
{
    dv_autofree uint8_t *segment = NULL;
    Elf64_Ehdr eh;
    Elf64_Phdr ph;
    int r;

    r = check_header(s, &eh, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        uint64_t off;

        if (__builtin_add_overflow(eh.e_phoff, (uint64_t)i * sizeof(ph), &off))
            off = UINT64_MAX;
        r = read_at(s, off, &ph, sizeof(ph), "program header", err);
        if (r < 0)
            return r;
        if (ph.p_type != PT_NOTE || ph.p_filesz == 0 || ph.p_filesz > MAX_NOTE_SEGMENT)
            continue;
        if (!segment)
            segment = malloc(MAX_NOTE_SEGMENT);
        if (!segment)
            return dv_fail(err, DV_E_NO_MEMORY, "plugin %s: out of memory", s->path);
        r = read_at(s, ph.p_offset, segment, ph.p_filesz, "note segment", err);
        if (r < 0)
            return r;
        if (scan_notes(segment, ph.p_filesz, ph.p_align == 8 ? 8 : 4, ret))
            return 0;
    }
    return dv_fail(err, DV_E_INVALID,
                   "plugin %s carries no davit note: it is no davit plugin, or was built without "
                   "DV_PLUGIN_DEFINE",
                   s->path);
}

/* Strings end inside their arrays and are printable, so that later messages may quote them. */
static int check_text(const struct dv_note *note, const char *path, struct dv_error *err)
{
    const char *text[] = { note->name, note->version };

    if (note->magic != DV_PLUGIN_MAGIC)
        return dv_fail(err, DV_E_INVALID, "plugin %s: its note has magic 0x%08x, expected 0x%08x",
                       path, note->magic, DV_PLUGIN_MAGIC);
    for (size_t i = 0; i < N(text); i++) {
        size_t n = strnlen(text[i], sizeof(note->name));

        if (n == 0 || n == sizeof(note->name))
            return dv_fail(err, DV_E_INVALID,
                           "plugin %s: name and version in its note must have 1 to %zu characters",
                           path, sizeof(note->name) - 1);
        for (size_t j = 0; j < n; j++)
            if (text[i][j] <= ' ' || text[i][j] > '~')
                return dv_fail(err, DV_E_INVALID,
                               "plugin %s: name or version in its note is not plain ASCII", path);
    }
    return 0;
}

static int read_note(const struct source *s, struct dv_note *ret, struct dv_error *err)
{
    struct dv_note note;
    int r;

    r = find_note(s, &note, err);
    if (r < 0)
        return r;
    r = check_text(&note, s->path, err);
    if (r < 0)
        return r;
    *ret = note;
    return 0;
}

int dv_plugin_note_parse(const void *data, size_t len, const char *path, struct dv_note *ret,
                         struct dv_error *err)
{
    struct source s = { .path = path, .fd = -1, .data = data, .len = len };

    return read_note(&s, ret, err);
}

int dv_plugin_note_fd(int fd, const char *path, struct dv_note *ret, struct dv_error *err)
{
    struct source s = { .path = path, .fd = fd };
    struct stat st;

    if (fstat(fd, &st) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "plugin %s: stat", path);
    if (st.st_size > DV_PLUGIN_FILE_MAX)
        return dv_fail(err, DV_E_INVALID, "plugin %s has %lld bytes, at most %d are accepted", path,
                       (long long)st.st_size, DV_PLUGIN_FILE_MAX);
    s.len = (uint64_t)st.st_size;
    return read_note(&s, ret, err);
}

int dv_plugin_note(const char *path, struct dv_note *ret, struct dv_error *err)
{
    dv_autoclose int fd = -1;
    struct stat st;

    /* NONBLOCK: a fifo of that name must not hold us. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return dv_fail_errno(err, errno == ENOENT ? DV_E_NOT_FOUND : DV_E_INTERNAL,
                             "open plugin %s", path);
    if (fstat(fd, &st) < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "plugin %s: stat", path);
    if (!S_ISREG(st.st_mode))
        return dv_fail(err, DV_E_INVALID, "plugin %s is not a regular file", path);
    return dv_plugin_note_fd(fd, path, ret, err);
}

int dv_plugin_note_check(const struct dv_note *note, const struct dv_plugin_file *file,
                         const char *path, struct dv_error *err)
{
    const char *kind = dv_kind_name(note->kind);

    if (note->abi_major != DV_ABI_MAJOR)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s was built for ABI %u.%u, this engine speaks %d.%d: get the build "
                       "for this engine",
                       path, note->abi_major, note->abi_minor, DV_ABI_MAJOR, DV_ABI_MINOR);
    /* Until 1.0 each minor may change every table; from then on sizes tell and minors inform. */
    if (DV_ABI_MAJOR == 0 && note->abi_minor != DV_ABI_MINOR)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s was built for ABI %u.%u, this engine speaks %d.%d and, before "
                       "1.0, nothing else: rebuild it with this engine's headers",
                       path, note->abi_major, note->abi_minor, DV_ABI_MAJOR, DV_ABI_MINOR);
    if (note->kind != file->kind)
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s is of kind %s, expected %s: correct its section", path,
                       kind ? kind : "(unknown)", dv_kind_name(file->kind));
    if (!dv_streq(note->name, file->name))
        return dv_fail(err, DV_E_INVALID,
                       "plugin %s calls itself '%s', expected '%s': configure it by that name or "
                       "rename the file",
                       path, note->name, file->name);
    return 0;
}
