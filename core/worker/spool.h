/* spool.h - service "dv.spool/1": files of the content store for a transport (davit/registry.h). */
#pragma once

#include <davit/registry.h>
#include <stdbool.h>

struct dv_job;
struct dv_spool_list;

extern const struct dv_spool dv_spool_service;
struct dv_spool_list *dv_spool_list_new(void); /* NULL on no memory */
void dv_spool_list_free(struct dv_spool_list *list);
/* Is FD one of the files that were given out? */
bool dv_spool_has(const struct dv_spool_list *list, int fd);
