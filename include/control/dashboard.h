/*
 * dashboard.h - the page at / of the admin port: what stands in src/control/dashboard/, which the build
 * turns into bytes of the program. It holds no data and needs no token; what it shows comes through
 * the API, with the token of whoever looks at it.
 */
#ifndef CONTROL_DASHBOARD_H
#define CONTROL_DASHBOARD_H

#include "control/admin.h"

struct dashboard_file {
    struct str path;
    const char *content_type;
    const unsigned char *bytes;
    size_t size;
};

/* NULL: the path is none of theirs. */
const struct dashboard_file *dashboard_find(struct str path);

/* GET of one of them. */
void dashboard_answer(struct controller *controller, const struct admin_request *request,
                      struct admin_answer *answer);

#endif
