/* disk.c - the file system that images and layers lie on. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/daemon/config.h"
#include "core/doctor/finding.h"

#define GIB (UINT64_C(1) << 30)
#ifndef VFAT_SUPER_MAGIC
#define VFAT_SUPER_MAGIC 0x4d44
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

static const struct fs {
    long magic;
    const char *name;
    enum dv_level level;
    const char *means, *remedy;
} file_systems[] = {
    { OVERLAYFS_SUPER_MAGIC, "overlay", DV_PROBLEM,
      "an overlay cannot have its upper directory on another overlay: containers do not start with "
      "the driver overlay", "put root on a volume or a disk, or set [storage] driver = vfs" },
    { NFS_SUPER_MAGIC, "nfs", DV_PROBLEM, "neither overlays nor the database work on it",
      "put root on a local disk" },
    { VFAT_SUPER_MAGIC, "vfat", DV_PROBLEM, "it has neither owners nor links",
      "put root on ext4, xfs or btrfs" },
    { FUSE_SUPER_MAGIC, "fuse", DV_WARNING, "it depends on the file system behind it whether "
      "overlays work on it", "put root on ext4, xfs or btrfs" },
    { TMPFS_MAGIC, "tmpfs", DV_WARNING, "images and containers are lost at a reboot, and take memory",
      "put root on a disk" },
};

/* The nearest directory above PATH, or itself, that exists. */
static int open_nearest(const char *path, char found[1024])
{
    snprintf(found, 1024, "%s", path);
    for (;;) {
        int fd = open(found, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *slash = strrchr(found, '/');

        if (fd >= 0 || errno != ENOENT || !slash || slash[1] == '\0')
            return fd;
        slash[slash == found] = '\0';
    }
}

static void check_type(struct dv_findings *f, int fd, const char *path)
{
    struct statfs st;

    if (fstatfs(fd, &st) < 0)
        return;
    for (size_t i = 0; i < N(file_systems); i++)
        if ((long)st.f_type == file_systems[i].magic) {
            dv_found(f, file_systems[i].level, "type", file_systems[i].means,
                     file_systems[i].remedy, "%s is on %s", path, file_systems[i].name);
            return;
        }
    dv_found(f, DV_OK, "type", "", "", "%s is on a file system of type 0x%lx", path,
             (unsigned long)st.f_type);
}

static void check_space(struct dv_findings *f, const struct statvfs *st, const char *path)
{
    uint64_t free_bytes = (uint64_t)st->f_bavail * st->f_frsize;
    uint64_t all = (uint64_t)st->f_blocks * st->f_frsize;
    bool low = free_bytes < 5 * GIB && free_bytes < all / 10;
    enum dv_level level = free_bytes < GIB / 2 ? DV_PROBLEM : low ? DV_WARNING : DV_OK;

    dv_found(f, level, "space",
             level == DV_OK ? "" : "unpacking images and writing in containers fail when it is full",
             level == DV_OK ? "" : "davit system prune, or put root on a larger disk",
             "%.1f of %.1f GiB are free at %s", (double)free_bytes / (double)GIB,
             (double)all / (double)GIB, path);
}

static void check_inodes(struct dv_findings *f, const struct statvfs *st, const char *path)
{
    bool none = st->f_files == 0; /* btrfs and the like: as many as there is space */
    bool low = !none && st->f_favail < 100000 && st->f_favail < st->f_files / 20;

    if (none)
        dv_found(f, DV_OK, "inodes", "", "", "%s has no fixed number of them", path);
    else
        dv_found(f, low ? DV_WARNING : DV_OK, "inodes",
                 low ? "layers are many small files: the disk is full when they are used up" : "",
                 low ? "davit system prune, or a file system made with more inodes" : "",
                 "%llu of %llu are free at %s", (unsigned long long)st->f_favail,
                 (unsigned long long)st->f_files, path);
}

static void check_flags(struct dv_findings *f, const struct statvfs *st, const char *path)
{
    static const struct {
        unsigned long flag;
        const char *name, *means;
        enum dv_level level;
    } flags[] = {
        { ST_RDONLY, "read-only", "nothing can be stored", DV_PROBLEM },
        { ST_NOEXEC, "noexec", "no program of an image can be run", DV_PROBLEM },
        { ST_NODEV, "nodev", "device nodes of images do not work; the driver overlay needs none",
          DV_NOTE },
        { ST_NOSUID, "nosuid", "set-uid programs of images (sudo, su) have no effect", DV_WARNING },
    };

    for (size_t i = 0; i < N(flags); i++)
        if (st->f_flag & flags[i].flag)
            dv_found(f, flags[i].level, "mount", flags[i].means,
                     "mount it without that option", "%s is mounted %s", path, flags[i].name);
}

/* Overlays need both: types in directory entries, and user.* attributes. */
static void check_abilities(struct dv_findings *f, int fd, const char *path)
{
    DIR *dir = fdopendir(dup(fd));
    const struct dirent *entry;
    bool typed = true;
    char value[8];

    while (dir && (entry = readdir(dir)))
        typed = typed && entry->d_type != DT_UNKNOWN;
    if (dir)
        closedir(dir);
    dv_found(f, typed ? DV_OK : DV_PROBLEM, "d_type",
             typed ? "" : "overlays need them: deleted files would come back",
             typed ? "" : "make the file system anew (xfs: mkfs.xfs -n ftype=1)",
             typed ? "directory entries at %s have types" : "directory entries at %s have no types",
             path);
    if (fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)) >= 0 || errno != EOPNOTSUPP)
        dv_found(f, DV_OK, "xattrs", "", "", "user.* attributes can be set at %s", path);
    else
        dv_found(f, DV_PROBLEM, "xattrs", "the driver overlay keeps what is deleted in them",
                 "mount it with user_xattr, put root on ext4, xfs or btrfs, or set [storage] driver "
                 "= vfs", "%s has no user.* attributes", path);
}

void dv_doctor_disk(struct dv_findings *f, const struct dv_engine_config *config)
{
    char path[1024];
    struct statvfs st;
    int fd = open_nearest(config->root, path);

    f->section = "disk";
    if (fd < 0 || fstatvfs(fd, &st) < 0) {
        if (errno == EACCES)
            dv_unseen(f, "root", config->root);
        else
            dv_found(f, DV_PROBLEM, "root", "davitd cannot store anything",
                     "make it, or set [engine] root", "%s: %s", path, strerror(errno));
        dv_close(fd);
        return;
    }
    check_space(f, &st, path);
    check_inodes(f, &st, path);
    check_type(f, fd, path);
    check_flags(f, &st, path);
    check_abilities(f, fd, path);
    dv_close(fd);
}
