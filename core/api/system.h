/* system.h - what several replies say about the host. */
#pragma once

const char *dv_go_arch(const char *machine); /* uname's machine as Go and OCI name it */
