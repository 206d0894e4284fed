/*
 * route.c - finds the route of a request: the first step of a decision.
 *
 * A plain walk: there are at most ROUTES_MAX routes, their order has a meaning, and a comparison of
 * prefixes mostly ends at the second byte.
 */
#include "traffic/route.h"

/* `path` is `prefix` or lies below it; only whole segments count. */
static bool path_matches(struct str prefix, struct str path)
{
    if (!str_starts_with(path, prefix))
        return false;
    bool is_folder = prefix.len > 0 && prefix.data[prefix.len - 1] == '/';
    return is_folder || path.len == prefix.len || path.data[prefix.len] == '/';
}

static bool method_matches(const struct route *route, struct str method)
{
    for (unsigned i = 0; i < route->method_count; i++)
        if (str_eq(route->methods[i], method))
            return true;
    return route->method_count == 0;
}

int route_match(const struct route *routes, unsigned count, struct str method, struct str path)
{
    for (unsigned i = 0; i < count; i++)
        if (path_matches(routes[i].path, path) && method_matches(&routes[i], method))
            return (int)i;
    return -1;
}

int route_find(const struct route *routes, unsigned count, struct str name)
{
    for (unsigned i = 0; i < count; i++)
        if (str_eq(routes[i].name, name))
            return (int)i;
    return -1;
}
