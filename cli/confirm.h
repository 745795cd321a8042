/* confirm.h - ask before something is lost. */
#pragma once

#include <stdbool.h>

/* Print WARNING and wait for "y" on stdin; anything else, also its end, is a no. */
bool dv_cli_confirm(const char *warning);
