/* messages.h - texts that Docker's clients match on, or show as they are. */
#pragma once

#define DV_MSG_PAGE_NOT_FOUND "page not found"
#define DV_MSG_TOO_NEW                                                                             \
    "client version %s is too new. Maximum supported API version is %u.%u"
#define DV_MSG_TOO_OLD                                                                             \
    "client version %s is too old. Minimum supported API version is %u.%u, please upgrade your "   \
    "client to a newer version"
#define DV_MSG_NO_SWARM                                                                            \
    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "     \
    "connect this node to swarm and try again."
#define DV_MSG_TOO_MANY_BODIES                                                                     \
    "request bodies of more than 64 MB are under way at once; try again when fewer clients send"
#define DV_MSG_TOO_MANY_CONNECTIONS                                                                \
    "davitd serves %zu connections at once, and all are in use: close some, or raise "             \
    "max_connections in section [engine] of davit.ini (each takes an open file)"
#define DV_MSG_EVICTED                                                                             \
    "davitd serves %zu connections at once, and others needed this one while its request was "     \
    "incomplete: send it again"
#define DV_MSG_NOT_BUILT "%s %s is not supported yet by davit"
#define DV_MSG_NO_PULL                                                                             \
    "cannot pull %s: davit does not pull from registries yet; get the image here with "            \
    "'davit load' or 'davit import'"
#define DV_MSG_CHOOSE_STREAM "Bad parameters: you must choose at least one stream"
#define DV_MSG_CONTENT_TYPE "unsupported Content-Type header (%s): must be 'application/json'"
#define DV_MSG_EMPTY_BODY "invalid JSON: got EOF while reading request body"
