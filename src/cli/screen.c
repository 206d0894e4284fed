/*
 * screen.c - the longer answers: `cutover status` on one screen, and `cutover explain`.
 */
#include "cli/screen.h"

#include <stdio.h>

#include "cli/read.h"

static const char *const sides[] = {"old", "new"};

static void print_uptime(double seconds)
{
    unsigned long s = (unsigned long)seconds;
    if (s >= 86400)
        printf("up %lud %luh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        printf("up %luh %lum", s / 3600, s / 60 % 60);
    else
        printf("up %lum %lus", s / 60, s % 60);
}

static void print_head(const json_t *status)
{
    const json_t *backends = json_object_get(status, "backends");
    double weight = read_number(status, "weight");
    printf("cutover %s, ", read_clean(read_text(status, "version", "?")));
    print_uptime(read_number(status, "uptime_s"));
    printf(", generation %.0f\n\n", read_number(status, "generation"));
    printf("weight    %g %% of users go to new (%s), ", weight,
           read_clean(read_text(json_object_get(backends, "new"), "name", "?")));
    printf("%g %% to old (%s)\n", 100 - weight,
           read_clean(read_text(json_object_get(backends, "old"), "name", "?")));
    if (read_bool(status, "rollback_ready", false)) {
        printf("rollback  ready\n");
    } else {
        printf("rollback  NOT READY: %s\n",
               read_clean(read_text(status, "rollback_not_ready_reason", "old cannot be used")));
    }
    if (!read_bool(status, "durable", true))
        printf("WARNING   not on disk yet: do not restart until durable is true\n");
    if (read_bool(status, "draining", false))
        printf("WARNING   the proxy is draining: it stops when what is under way has ended\n");
    print_warnings(status, "WARNING   ");
}

/* A side whose servers answer their checks, but fail what users ask of them, is not "up". */
static const char *health_of(const json_t *backend)
{
    const char *health = read_text(backend, "health", "?");
    const json_t *servers = json_object_get(backend, "servers");
    unsigned up = 0, ejected = 0;
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *server = json_array_get(servers, i);
        bool is_up = strcmp(read_text(server, "health", ""), "up") == 0;
        up += is_up ? 1 : 0;
        ejected += is_up && read_bool(server, "ejected", false) ? 1 : 0;
    }
    return up > 0 && up == ejected ? "ejected" : health;
}

static void print_backends(const json_t *backends)
{
    printf("\n%-5s %-20s %-6s %-8s %12s %8s\n", "SIDE", "NAME", "ADMIN", "HEALTH", "REQUESTS/MIN",
           "SOCKETS");
    for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
        const json_t *backend = json_object_get(backends, sides[i]);
        const json_t *share = json_object_get(backend, "share");
        printf("%-5s %-20.40s ", sides[i], read_clean(read_text(backend, "name", "?")));
        printf("%-6.8s ", read_clean(read_text(backend, "admin", "?")));
        printf("%-8.8s ", read_clean(health_of(backend)));
        printf("%12.0f %8.0f\n", read_number(share, "requests_1m"), read_number(share, "sockets"));
    }
}

static void print_servers(const json_t *backends)
{
    printf("\n%-5s %-40s %-8s %-8s %6s %6s\n", "SIDE", "SERVER", "HEALTH", "EJECTED", "ACTIVE",
           "IDLE");
    for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
        const json_t *servers = json_object_get(json_object_get(backends, sides[i]), "servers");
        for (size_t k = 0; k < json_array_size(servers); k++) {
            const json_t *server = json_array_get(servers, k);
            printf("%-5s %-40s ", sides[i], read_clean(read_text(server, "url", "?")));
            printf("%-8.8s ", read_clean(read_text(server, "health", "?")));
            printf("%-8s %6.0f %6.0f\n", read_bool(server, "ejected", false) ? "yes" : "no",
                   read_number(server, "active"), read_number(server, "idle"));
        }
    }
}

static void print_routes(const json_t *routes)
{
    if (json_array_size(routes) == 0)
        return;
    printf("\n%-26s %s\n", "ROUTE", "GOES");
    for (size_t i = 0; i < json_array_size(routes); i++) {
        const json_t *route = json_array_get(routes, i);
        const char *pin = read_text(route, "pin", "");
        printf("%-26s ", read_clean(read_text(route, "name", "?")));
        if (pin[0] != '\0') {
            printf("always to %s (pinned)\n", read_clean(pin));
        } else {
            bool follows = json_object_get(route, "follows") != NULL;
            printf("%g %% to new%s\n", read_number(route, "weight"),
                   follows ? " (follows the main weight)" : "");
        }
    }
}

static void print_last_change(const json_t *change)
{
    if (!json_is_object(change)) {
        printf("\nlast change  none yet\n");
        return;
    }
    printf("\nlast change  %s", read_clean(read_text(change, "at", "?")));
    printf(" by %s:", read_clean(read_text(change, "actor", "?")));
    const char *what = read_text(change, "what", "?");
    const char *subject = read_text(change, "route", "main");
    printf(" %s of", read_clean(what));
    printf(" %s,", strcmp(what, "rollback") == 0 ? "all weights" : read_clean(subject));
    printf(" %g %% -> %g %%", read_number(change, "from"), read_number(change, "to"));
    const char *reason = read_text(change, "reason", "");
    if (reason[0] != '\0')
        printf(" (%s)", read_clean(reason));
    printf("\n");
}

bool screen_status(struct str json)
{
    json_t *status = read_json(json);
    const json_t *backends = json_object_get(status, "backends");
    if (!json_is_object(backends)) {
        json_decref(status);
        return false;
    }
    print_head(status);
    print_backends(backends);
    print_servers(backends);
    print_routes(json_object_get(status, "routes"));
    print_last_change(json_object_get(status, "last_change"));
    json_decref(status);
    return true;
}

/* Explain */

static void print_side(const json_t *answer, const char *side)
{
    const json_t *share = json_object_get(answer, "share");
    double refused = read_number(answer, "refused");
    if (json_is_object(share) && refused < 100) {
        printf("side     by draw: old %g %%, new %g %%", read_number(share, "old"),
               read_number(share, "new"));
        if (refused > 0)
            printf(", 503 %g %%", refused);
        printf("%s\n", read_bool(answer, "failover", false) ? " (with failover)" : "");
    } else if (side[0] == '\0') {
        printf("side     none: no backend can take it, the answer is 503\n");
    } else {
        printf("side     %s\n", read_clean(side));
    }
}

static void print_why(const json_t *answer)
{
    const json_t *bucket = json_object_get(answer, "bucket");
    const char *reason = read_text(answer, "reason", "?");
    printf("reason   %s", read_clean(reason));
    if (strcmp(reason, "failover") == 0)
        printf(": its own side would be %s", read_clean(read_text(answer, "home", "by draw")));
    printf("\n");
    if (json_is_integer(bucket)) {
        double weight = read_number(answer, "weight");
        bool is_new = (double)json_integer_value(bucket) < weight * 100;
        printf("bucket   %04.0f, which is %s the weight of %g %%\n", json_number_value(bucket),
               is_new ? "below" : "not below", weight);
    }
    printf("cookie   %s\n", read_bool(answer, "set_cookie", false) ? "is set" : "is left as it is");
}

bool screen_explain(struct str json)
{
    json_t *answer = read_json(json);
    const json_t *usable = json_object_get(answer, "usable");
    const json_t *servers = json_object_get(answer, "server_candidates");
    if (!json_is_object(usable)) {
        json_decref(answer);
        return false;
    }
    printf("route    %s\n", read_clean(read_text(answer, "route", "?")));
    print_side(answer, read_text(answer, "side", ""));
    print_why(answer);
    printf("usable   old %s, new %s\n", read_bool(usable, "old", false) ? "yes" : "no",
           read_bool(usable, "new", false) ? "yes" : "no");
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const char *url = json_string_value(json_array_get(servers, i));
        printf("%s%s\n", i == 0 ? "servers  " : "         ", read_clean(url == NULL ? "?" : url));
    }
    json_decref(answer);
    return true;
}
