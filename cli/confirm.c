/* confirm.c - ask before something is lost. */
#include "cli/confirm.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool dv_cli_confirm(const char *warning)
{
    char line[64];

    printf("%s\nAre you sure you want to continue? [y/N] ", warning);
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) {
        puts("");
        return false;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return strcasecmp(line, "y") == 0;
}
