/* terminal.c - the user's terminal: raw mode, size, and the keys that detach from a container. */
#include "cli/client/terminal.h"

#include <sys/ioctl.h>

#include "cli/util.h"

void dv_raw_enter(struct dv_raw *raw, int fd)
{
    struct termios wanted;

    *raw = (struct dv_raw){ .fd = fd };
    if (!isatty(fd) || tcgetattr(fd, &raw->before) < 0)
        return;
    wanted = raw->before;
    cfmakeraw(&wanted);
    raw->on = tcsetattr(fd, TCSANOW, &wanted) == 0;
}

void dv_raw_leave(struct dv_raw *raw)
{
    if (raw->on)
        tcsetattr(raw->fd, TCSANOW, &raw->before);
    raw->on = false;
}

bool dv_terminal_size(int fd, unsigned *rows, unsigned *columns)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
        return false;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return true;
}

/* "ctrl-" and a letter or one of @ [ \ ] ^ _, or one character itself. */
static int parse_key(const char *text, unsigned char *ret)
{
    size_t n = strlen(text);

    if (n == 1) {
        *ret = (unsigned char)text[0];
        return 0;
    }
    if (n != 6 || !dv_starts(text, "ctrl-"))
        return -1;
    if ((text[5] >= 'a' && text[5] <= 'z') || text[5] == '@' || (text[5] >= '[' && text[5] <= '_'))
        *ret = (unsigned char)(text[5] & 0x1f);
    else
        return -1;
    return 0;
}

int dv_detach_init(struct dv_detach *detach, const char *text, struct dv_error *err)
{
    dv_autostrv keys = { 0 };
    size_t i;

    *detach = (struct dv_detach){ 0 };
    dv_xsplit(&keys, *text ? text : "ctrl-p,ctrl-q", ',');
    for (i = 0; i < keys.n; i++) {
        if (i >= sizeof(detach->keys) || parse_key(keys.items[i], &detach->keys[i]) < 0)
            return dv_fail(err, DV_E_INVALID, "invalid detach keys (%s): unknown character: '%s'",
                           text, keys.items[i]);
        detach->n++;
    }
    return 0;
}

/* KEY does not go on with what was matched: the longest end of it all that begins the keys anew. */
static size_t fall_back(const struct dv_detach *detach, unsigned char key)
{
    size_t n = detach->matched;

    while (n > 0 && (detach->keys[n - 1] != key ||
                     memcmp(detach->keys, detach->keys + detach->matched - (n - 1), n - 1) != 0))
        n--;
    return n;
}

void dv_detach_feed(struct dv_detach *detach, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t i;

    for (i = 0; i < n && !detach->done; i++) {
        if (p[i] == detach->keys[detach->matched])
            detach->matched++;
        else
            detach->matched = fall_back(detach, p[i]);
        detach->done = detach->matched == detach->n;
    }
}
