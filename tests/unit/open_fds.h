/* open_fds.h - how many descriptors this process has, to be compared with how many it had. */
#pragma once

#include <dirent.h>
#include <stddef.h>

static inline size_t open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}
