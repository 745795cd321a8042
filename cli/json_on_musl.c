/* json_on_musl.c - the checked functions of glibc that a json-c compiled for glibc calls, since
 * -D_FORTIFY_SOURCE had put them in the place of the usual ones, and that musl does not have. The flag
 * only tells whether "%n" is allowed; musl's formats allow it always, and json-c has none. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

/* No header has them. ROOM: bytes that the compiler knew to be there. */
int __vsnprintf_chk(char *to, size_t n, int flag, size_t room, const char *fmt, va_list args);
int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *fmt, ...);
int __vasprintf_chk(char **to, int flag, const char *fmt, va_list args);
int __vfprintf_chk(FILE *to, int flag, const char *fmt, va_list args);
int __fprintf_chk(FILE *to, int flag, const char *fmt, ...);
void __vsyslog_chk(int priority, int flag, const char *fmt, va_list args);
char *__strcat_chk(char *to, const char *from, size_t room);

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

int __vsnprintf_chk(char *to, size_t n, int flag, size_t room, const char *fmt, va_list args)
{
    (void)flag;
    if (n > room)
        abort();
    return vsnprintf(to, n, fmt, args);
}

int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *fmt, ...)
{
    va_list args;
    int r;

    va_start(args, fmt);
    r = __vsnprintf_chk(to, n, flag, room, fmt, args);
    va_end(args);
    return r;
}

int __vasprintf_chk(char **to, int flag, const char *fmt, va_list args)
{
    (void)flag;
    return vasprintf(to, fmt, args);
}

int __vfprintf_chk(FILE *to, int flag, const char *fmt, va_list args)
{
    (void)flag;
    return vfprintf(to, fmt, args);
}

int __fprintf_chk(FILE *to, int flag, const char *fmt, ...)
{
    va_list args;
    int r;

    va_start(args, fmt);
    r = __vfprintf_chk(to, flag, fmt, args);
    va_end(args);
    return r;
}

void __vsyslog_chk(int priority, int flag, const char *fmt, va_list args)
{
    (void)flag;
    vsyslog(priority, fmt, args);
}

char *__strcat_chk(char *to, const char *from, size_t room)
{
    size_t at = strlen(to), n = strlen(from) + 1;

    if (n > room || at > room - n)
        abort();
    memcpy(to + at, from, n);
    return to;
}
