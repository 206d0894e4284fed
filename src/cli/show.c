/*
 * show.c - JSON -> lines for people, for the verbs that change something, and for refusals. The
 * screen of `status` is in screen.c.
 */
#include "cli/show.h"

#include <math.h>
#include <stdio.h>

#include "cli/read.h"

/* What a change of a weight did or would do, from the two weights in percent. */
static void print_moves(const char *subject, double from, double to, const char *verb)
{
    long low = lround(fmin(from, to) * 100);
    long high = lround(fmax(from, to) * 100);
    if (low == high) {
        printf("%s stays at %g %%: nobody moves\n", subject, to);
        return;
    }
    printf("%s %g %% -> %g %%: buckets %ld..%ld (%g %% of users) %s to %s\n", subject, from, to,
           low, high - 1, (double)(high - low) / 100, verb, to > from ? "new" : "old");
}

/* "weight", or "weight of products". */
static void subject_of(const char *route, char *text, size_t size)
{
    if (route[0] == '\0' || strcmp(route, "main") == 0)
        snprintf(text, size, "weight");
    else
        snprintf(text, size, "weight of %s", read_clean(route));
}

/* What stands behind every change that was made. */
static void warn(const json_t *status)
{
    if (!read_bool(status, "durable", true)) {
        printf("WARNING: not on disk yet: do not restart until durable is true (the state file "
               "cannot be written; it is tried again every second)\n");
    }
    print_warnings(status, "warning: ");
}

bool show_weight_change(struct str json)
{
    json_t *status = read_json(json);
    const json_t *change = json_object_get(status, "change");
    char subject[128];
    if (!json_is_object(change)) {
        json_decref(status);
        return false;
    }
    subject_of(read_text(change, "route", "main"), subject, sizeof(subject));
    print_moves(subject, read_number(change, "from"), read_number(change, "to"), "now go");
    warn(status);
    json_decref(status);
    return true;
}

bool show_dry_run(struct str json)
{
    json_t *answer = read_json(json);
    char subject[128];
    if (answer == NULL)
        return false;
    subject_of(read_text(answer, "route", "main"), subject, sizeof(subject));
    printf("dry run, nothing is changed: ");
    print_moves(subject, read_number(answer, "from"), read_number(answer, "to"), "would go");
    if (read_bool(json_object_get(answer, "moves"), "placed_users_stay", false)) {
        printf("users who have been placed already stay where they are (sticky.on_raise or "
               "on_lower is keep)\n");
    }
    print_warnings(answer, "warning: ");
    json_decref(answer);
    return true;
}

bool show_rollback(struct str json)
{
    json_t *status = read_json(json);
    const json_t *rollback = json_object_get(status, "rollback");
    const json_t *pins = json_object_get(rollback, "pinned_to_new");
    if (!json_is_object(rollback)) {
        json_decref(status);
        return false;
    }
    double to = read_number(rollback, "to");
    if (to > 0) {
        printf("rolled back: no weight is above %g %%\n", to);
    } else {
        printf("rolled back: every weight is 0 %%%s\n",
               json_array_size(pins) > 0 ? "" : ", all users go to old");
    }
    for (size_t i = 0; i < json_array_size(pins); i++) {
        const char *name = json_string_value(json_array_get(pins, i));
        printf("EXCEPT route %s: pinned to new by the configuration (edit the file, then `cutover "
               "reload`)\n",
               read_clean(name == NULL ? "" : name));
    }
    warn(status);
    json_decref(status);
    return true;
}

bool show_backend(struct str json, const char *side)
{
    json_t *status = read_json(json);
    const json_t *backend = json_object_get(json_object_get(status, "backends"), side);
    if (!json_is_object(backend)) {
        json_decref(status);
        return false;
    }
    const char *admin = read_text(backend, "admin", "?");
    const char *means = "takes users";
    if (strcmp(admin, "drain") == 0)
        means = "takes no new users; those placed stay";
    else if (strcmp(admin, "maint") == 0)
        means = "takes nobody";
    printf("%s is %s: ", side, read_clean(admin));
    printf("%s\n", means);
    warn(status);
    json_decref(status);
    return true;
}

bool show_reload(struct str json)
{
    json_t *status = read_json(json);
    if (status == NULL)
        return false;
    printf("reloaded: the configuration was read again and is in effect\n");
    warn(status);
    json_decref(status);
    return true;
}

/* Events */

/* What did not go well: refused are calls; the rest failed by itself. */
static void print_result(const json_t *event)
{
    const char *result = read_text(event, "result", "ok");
    bool by_itself = strcmp(read_text(event, "actor", ""), "cutover") == 0 ||
                     strcmp(result, "state_not_saved") == 0;
    if (strcmp(result, "not_durable") == 0)
        printf("  NOT ON DISK YET");
    else if (strcmp(result, "ok") != 0)
        printf("  %s: %s", by_itself ? "FAILED" : "REFUSED", read_clean(result));
}

/* TIME  #ID  WHAT SUBJECT  FROM -> TO  by ACTOR  (REASON)  RESULT */
static void print_event(const json_t *event)
{
    printf("%s  #%-4.0f ", read_clean(read_text(event, "at", "?")), read_number(event, "id"));
    printf("%-9s", read_clean(read_text(event, "what", "?")));
    const char *subject = read_text(event, "subject", "");
    if (subject[0] != '\0')
        printf(" %s", read_clean(subject));
    const char *from = read_text(event, "from", ""), *to = read_text(event, "to", "");
    if (json_is_number(json_object_get(event, "from")))
        printf("  %g %% -> %g %%", read_number(event, "from"), read_number(event, "to"));
    else if (from[0] != '\0' || to[0] != '\0') {
        printf("  %s ->", read_clean(from));
        printf(" %s", read_clean(to));
    }
    printf("  by %s", read_clean(read_text(event, "actor", "?")));
    const char *reason = read_text(event, "reason", "");
    if (reason[0] != '\0')
        printf("  (%s)", read_clean(reason));
    print_result(event);
    printf("\n");
}

bool show_events(struct str json)
{
    json_t *answer = read_json(json);
    const json_t *events = json_object_get(answer, "events");
    bool is_right = json_is_array(events);
    for (size_t i = 0; i < json_array_size(events); i++)
        print_event(json_array_get(events, i));
    json_decref(answer);
    return is_right;
}

bool show_event(struct str json)
{
    json_t *event = read_json(json);
    if (event == NULL)
        return false;
    print_event(event);
    json_decref(event);
    return true;
}

/* Refusals */

void show_refusal(const char *verb, unsigned status, struct str json)
{
    json_t *answer = read_json(json);
    const json_t *error = json_object_get(answer, "error");
    const json_t *problems = json_object_get(error, "problems");
    fprintf(stderr, "cutover %s: ", verb);
    fprintf(stderr, "%s ", read_clean(read_text(error, "message", "the admin API refused")));
    fprintf(stderr, "(%s, HTTP %u)\n", read_clean(read_text(error, "code", "no code")), status);
    for (size_t i = 0; i < json_array_size(problems); i++) {
        const char *text = json_string_value(json_array_get(problems, i));
        fprintf(stderr, "  %s\n", read_clean(text == NULL ? "" : text));
    }
    if (status == 401)
        fprintf(stderr, "  give --token-file FILE or set CUTOVER_TOKEN\n");
    if (strcmp(read_text(error, "code", ""), "old_not_usable") == 0)
        fprintf(stderr, "  --force does it anyway\n");
    json_decref(answer);
}
