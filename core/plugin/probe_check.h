/* probe_check.h - `davit plugin check`: every step of loading a plugin, shown. */
#pragma once

/* ARGV: FILE [KEY=VALUE...]. SELF: this program's path. The exit code. */
int dv_probe_check(const char *self, int argc, char **argv);
