/* local.c - what the driver `local` takes: names and options. */
#include <json-c/json.h>

#include "core/base/json.h"
#include "core/volume/internal.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *name)
{
    if (!is_alnum(*name))
        return false;
    for (; *name; name++)
        if (!is_alnum(*name) && *name != '_' && *name != '.' && *name != '-')
            return false;
    return true;
}

int dv_local_check_name(const char *name, struct dv_error *err)
{
    if (strlen(name) == 1)
        return dv_fail(err, DV_E_INVALID, "create %s: volume name is too short, names should be at "
                       "least two alphanumeric characters", name);
    if (!is_name(name))
        return dv_fail(err, DV_E_INVALID,
                       "create %.300s: \"%.300s\" includes invalid characters for a local volume "
                       "name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to "
                       "pass a host directory, use absolute path", name, name);
    if (strlen(name) >= DV_VOLUME_NAME_BYTES)
        return dv_fail(err, DV_E_INVALID, "create %.40s...: a volume's name has at most %d bytes",
                       name, DV_VOLUME_NAME_BYTES - 1);
    return 0;
}

/* Docker's options of `local`: each is known, none is done yet. */
static const char *const later[] = { "type", "device", "o", "size" };

int dv_local_check_options(const char *name, const char *options_json, struct dv_error *err)
{
    dv_autojson json_object *options = NULL;
    int r;

    if (!options_json)
        return 0;
    r = dv_json_parse(options_json, strlen(options_json), &options, err);
    if (r < 0 || !json_object_is_type(options, json_type_object))
        return r;
    json_object_object_foreach(options, key, value) {
        (void)value;
        for (size_t i = 0; i < N(later); i++)
            if (dv_streq(key, later[i]))
                return dv_fail(err, DV_E_UNSUPPORTED, "create %s: option \"%s\" of the volume driver "
                               "\"local\" is not supported yet; bind a host directory instead", name,
                               key);
        return dv_fail(err, DV_E_INVALID, "create %s: invalid option: \"%.100s\"", name, key);
    }
    return 0;
}
