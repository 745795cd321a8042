/* table.h - lines of tab-separated cells, aligned as docker aligns them. */
#pragma once

#include <stdio.h>

/* Print TEXT (lines of cells with tabs between) with each column padded to its widest cell and
 * three spaces, ten characters at least; the last cell of a line is not padded. */
void dv_table_print(FILE *out, const char *text);
