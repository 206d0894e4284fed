/* forward_way.h - X-Forwarded-For as one list, for forward.c and forward_way.c alone. */
#ifndef HTTP_FORWARD_WAY_H
#define HTTP_FORWARD_WAY_H

#include "http/forward.h"

/* Begins with the message alone. Goes over all its fields; empty entries count for nothing. */
struct forward_entries {
    const struct message *message;
    unsigned next_field;
    struct str rest;
};

bool forward_next_entry(struct forward_entries *entries, struct str *entry);

unsigned forward_count_entries(const struct message *message);

#endif
