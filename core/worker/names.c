/* names.c - the names inside an archive, made harmless. */
#include "core/worker/names.h"

#include <string.h>

#include "core/base/str.h"

int dv_clean_name(const char *name, char out[DV_MAX_TAR_NAME_BYTES], struct dv_error *err)
{
    const char *from = name;
    size_t len = 0;

    while (*from) {
        size_t n = strcspn(from, "/");

        if (n == 2 && from[0] == '.' && from[1] == '.') {
            if (len == 0)
                return dv_fail(err, DV_E_INVALID, "'%.200s' leads out of the archive's root", name);
            while (len > 0 && out[--len] != '/')
                ;
        } else if (n > 0 && !(n == 1 && from[0] == '.')) {
            if (n > DV_MAX_NAME_BYTES)
                return dv_fail(err, DV_E_INVALID, "'%.80s...' is a name of more than %d bytes",
                               from, DV_MAX_NAME_BYTES);
            if (len + 1 + n >= DV_MAX_TAR_NAME_BYTES)
                return dv_fail(err, DV_E_INVALID, "'%.80s...' is a path of more than %d bytes",
                               name, DV_MAX_TAR_NAME_BYTES - 1);
            if (len > 0)
                out[len++] = '/';
            memcpy(out + len, from, n);
            len += n;
        }
        from += n;
        from += *from == '/';
    }
    out[len] = 0;
    return 0;
}

const char *dv_last_part(const char *clean)
{
    const char *slash = strrchr(clean, '/');

    return slash ? slash + 1 : clean;
}
