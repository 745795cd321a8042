/* signals.h - signal names as Docker takes them. */
#pragma once

/* "TERM", "SIGTERM", "sigterm", "15", "RTMIN+3"; number, or -1. */
int dv_signal_parse(const char *text);
