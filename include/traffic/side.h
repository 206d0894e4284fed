/* side.h - the two sides of a migration. Every array over sides is indexed by this. */
#ifndef TRAFFIC_SIDE_H
#define TRAFFIC_SIDE_H

#include "base/str.h"

enum side { SIDE_OLD = 0, SIDE_NEW = 1 };
#define SIDES 2

static inline enum side side_other(enum side side)
{
    return side == SIDE_OLD ? SIDE_NEW : SIDE_OLD;
}

static inline const char *side_name(enum side side)
{
    return side == SIDE_OLD ? "old" : "new";
}

static inline bool side_parse(struct str text, enum side *side)
{
    *side = str_eq(text, STR("new")) ? SIDE_NEW : SIDE_OLD;
    return str_eq(text, STR("new")) || str_eq(text, STR("old"));
}

#endif
