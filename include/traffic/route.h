/*
 * route.h - which part of the application a request is for.
 *
 * Routes are tried in order and the first match wins. A path matches whole segments: /api matches
 * /api, /api/x and /api?q but not /apix; a path that ends in '/' matches what lies below it.
 */
#ifndef TRAFFIC_ROUTE_H
#define TRAFFIC_ROUTE_H

#include "traffic/side.h"

/* Routes in a configuration, at the most: counters are kept per route, so they are bounded. */
#define ROUTES_MAX 63

/* The name that stands for "no route matched" in metrics, logs and answers; not allowed as a name.
 */
#define ROUTE_MAIN "main"

enum route_kind {
    ROUTE_FOLLOWS = 0, /* the main weight decides */
    ROUTE_PINNED,      /* always one side */
    ROUTE_WEIGHTED,    /* a weight of its own */
};

struct route {
    struct str name;
    struct str path;
    const struct str *methods; /* upper case; none: every method */
    unsigned method_count;
    enum route_kind kind;
    enum side pin;           /* ROUTE_PINNED */
    unsigned initial_weight; /* ROUTE_WEIGHTED: until there is a state */
    bool asks_other;         /* a GET or HEAD that answered 404 is asked once on the other side */
};

/* Index of the first route that matches, or -1. `path` is the request's, without query. */
int route_match(const struct route *routes, unsigned count, struct str method, struct str path);

/* Index of the route called `name`, or -1. */
int route_find(const struct route *routes, unsigned count, struct str name);

#endif
