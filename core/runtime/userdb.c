/* userdb.c - who "user:group" is, by the container's own passwd and group. Both files are the
 * image's: read with limits, never through a link out of the root. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/limits.h"
#include "core/base/parse.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

enum { ID_MAX = 2147483647, PASSWD_FIELDS = 7, GROUP_FIELDS = 4 };
_Static_assert(N(((struct dv_user *)0)->groups) == DV_MAX_GROUPS + 1, "the limit is in limits.h");

/* Contents of PATH below the root; *RET NULL where it is not there, as in an image of one file. */
static int read_db(int root_fd, const char *path, char **ret, struct dv_error *err)
{
    dv_autoclose int fd = -1;
    struct stat st;
    int r;

    *ret = NULL;
    fd = dv_open_in_root(root_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, /* mode */ 0);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES))
        return 0;
    if (fd < 0)
        return dv_fail_errno(err, DV_E_INTERNAL, "open %s of the container", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return dv_fail(err, DV_E_INVALID, "%s of the container is no regular file", path);
    r = dv_read_fd(fd, DV_MAX_PASSWD_BYTES, ret, NULL, err);
    return r < 0 ? dv_wrap(err, "%s of the container", path) : 0;
}

/* The next line of *TEXT, cut; lines over the limit are skipped. NULL at the end. */
static char *next_line(char **text)
{
    while (*text && **text) {
        char *line = *text;
        size_t n = strcspn(line, "\n");

        *text = line[n] ? line + n + 1 : line + n;
        line[n] = '\0';
        if (n > 0 && line[n - 1] == '\r')
            line[--n] = '\0';
        if (n > 0 && n <= DV_MAX_PASSWD_LINE_BYTES && *line != '#')
            return line;
    }
    return NULL;
}

/* Cut LINE at its colons; missing fields are "". */
static void cut_fields(char *line, char **fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fields[i] = line;
        line += strcspn(line, ":");
        if (*line)
            *line++ = '\0';
    }
}

static bool parse_id(const char *text, uint32_t *ret)
{
    uint64_t v;

    if (dv_parse_u64(text, 0, UINT32_MAX - 1, &v) < 0) /* the last one means "leave as it is" */
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* All digits, perhaps signed or too large: then it is meant as a number. */
static bool is_number(const char *text)
{
    if (*text == '-' || *text == '+')
        text++;
    if (!*text)
        return false;
    for (; *text; text++)
        if (!isdigit((unsigned char)*text))
            return false;
    return true;
}

static int want_id(const char *text, uint32_t *ret, struct dv_error *err)
{
    uint64_t v;

    if (dv_parse_u64(text, 0, ID_MAX, &v) < 0)
        return dv_fail(err, DV_E_INVALID, "uids and gids must be in range 0-%d", ID_MAX);
    *ret = (uint32_t)v;
    return 0;
}

/* Copy of the name found, for the search of its groups; "" if none was. */
struct found {
    char name[256];
};

/* The first line of passwd that fits; what is missing there comes from the number. */
static int find_user(char *passwd, const char *user, struct dv_user *ret, struct found *found,
                     struct dv_error *err)
{
    bool by_number = is_number(user);
    uint32_t wanted = 0;
    char *line;
    int r;

    if (by_number) {
        r = want_id(user, &wanted, err);
        if (r < 0)
            return r;
    }
    while ((line = next_line(&passwd))) {
        char *f[PASSWD_FIELDS];
        uint32_t uid, gid;

        cut_fields(line, f, N(f));
        if (!parse_id(f[2], &uid) || !parse_id(f[3], &gid))
            continue;
        if (by_number ? uid != wanted : !dv_streq(f[0], user))
            continue;
        ret->uid = uid;
        ret->gid = gid;
        snprintf(found->name, sizeof(found->name), "%s", f[0]);
        if (f[5][0])
            snprintf(ret->home, sizeof(ret->home), "%s", f[5]);
        return 0;
    }
    if (!by_number)
        return dv_fail(err, DV_E_INVALID,
                       "unable to find user %s: no matching entries in passwd file", user);
    ret->uid = wanted;
    ret->gid = 0;
    return 0;
}

static int add_group(struct dv_user *user, uint32_t gid, struct dv_error *err)
{
    for (size_t i = 0; i < user->n_groups; i++)
        if (user->groups[i] == gid)
            return 0;
    if (user->n_groups == DV_MAX_GROUPS)
        return dv_fail(err, DV_E_INVALID, "more than %d groups of one user", DV_MAX_GROUPS);
    user->groups[user->n_groups++] = gid;
    return 0;
}

/* NAME among the members of a group: "a,b,c". */
static bool is_member(const char *list, const char *name)
{
    size_t n = strlen(name);

    while (*list) {
        size_t m = strcspn(list, ",");

        if (m == n && memcmp(list, name, n) == 0)
            return true;
        list += m + (list[m] == ',');
    }
    return false;
}

/* The groups that list NAME as a member. Cuts GROUPS. */
static int find_memberships(char *groups, const char *name, struct dv_user *ret,
                            struct dv_error *err)
{
    char *line;
    int r = 0;

    while (r == 0 && *name && (line = next_line(&groups))) {
        char *f[GROUP_FIELDS];
        uint32_t gid;

        cut_fields(line, f, N(f));
        if (parse_id(f[2], &gid) && is_member(f[3], name))
            r = add_group(ret, gid, err);
    }
    return r;
}

/* The number of group NAME, which may be one. Does not change GROUPS. */
static int find_group(const char *groups, const char *name, uint32_t *ret, struct dv_error *err)
{
    size_t n = strlen(name);

    if (is_number(name))
        return want_id(name, ret, err);
    for (const char *line = groups; line && *line;
         line += strcspn(line, "\n"), line += *line == '\n') {
        char number[16];
        const char *at;

        if (strncmp(line, name, n) != 0 || line[n] != ':')
            continue;
        at = line + n + 1;
        at += strcspn(at, ":\n");
        if (*at != ':')
            continue;
        at++;
        snprintf(number, sizeof(number), "%.*s", (int)strcspn(at, ":\r\n"), at);
        if (parse_id(number, ret))
            return 0;
    }
    return dv_fail(err, DV_E_INVALID, "unable to find group %s: no matching entries in group file",
                   name);
}

/* NAMES: the user's own groups are in RET already. */
static int add_extra(const char *groups, const struct dv_strv *names, struct dv_user *ret,
                     struct dv_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && names && i < names->n; i++) {
        uint32_t gid;

        r = find_group(groups, names->items[i], &gid, err);
        if (r == 0)
            r = add_group(ret, gid, err);
    }
    return r;
}

int dv_user_resolve(int root_fd, const char *user, const struct dv_strv *add_groups,
                    struct dv_user *ret, struct dv_error *err)
{
    dv_autofree char *passwd = NULL, *groups = NULL, *name = strdup(dv_empty(user) ? "0" : user);
    struct found found = { "" };
    const char *group = NULL;
    char *colon;
    int r;

    if (!name)
        return dv_fail(err, DV_E_NO_MEMORY, "no memory to look up user '%s'", user ? user : "");
    colon = strchr(name, ':');
    if (colon) {
        *colon = '\0';
        group = colon[1] ? colon + 1 : NULL;
    }
    ret->uid = ret->gid = 0;
    ret->n_groups = 0;
    snprintf(ret->home, sizeof(ret->home), "/");
    r = read_db(root_fd, "/etc/passwd", &passwd, err);
    if (r == 0)
        r = read_db(root_fd, "/etc/group", &groups, err);
    if (r == 0)
        r = find_user(passwd, *name ? name : "0", ret, &found, err);
    if (r == 0 && group)
        r = find_group(groups, group, &ret->gid, err);
    if (r == 0) /* first: what getgroups() tells contains the primary one, as with Docker */
        r = add_group(ret, ret->gid, err);
    if (r == 0)
        r = add_extra(groups, add_groups, ret, err);
    if (r == 0 && !group)
        r = find_memberships(groups, found.name, ret, err);
    return r;
}
