/*
 * events_read.c - a line of the journal -> jansson -> struct event. What event_write has written comes
 * back as it was; what somebody else has written is refused.
 */
#include <jansson.h>

#include <stdio.h>
#include <time.h>

#include "control/events.h"

/* Ids are added to; this one is out of reach of any honest file. */
#define ID_MAX ((json_int_t)1 << 53)

/* "2026-11-20T10:01:02.345Z" */
static bool read_time(const char *text, uint64_t *wall_ms)
{
    struct tm tm = {.tm_isdst = 0};
    unsigned ms;
    char zone;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3u%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms, &zone) != 8 ||
        zone != 'Z' || tm.tm_year < 1970)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *wall_ms = (uint64_t)timegm(&tm) * 1000 + ms;
    return true;
}

/* A text, or a weight, which is a number; longer ones are cut. */
static bool read_text(const json_t *root, const char *name, char *text, size_t size)
{
    const json_t *value = json_object_get(root, name);

    if (json_is_string(value))
        snprintf(text, size, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, size, "%.10g", json_real_value(value));
    else
        return false;
    return true;
}

/* It stands alone in a line of an event stream. */
static bool is_word(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

/* event_write puts a weight into JSON as it is. */
static bool is_weight_or_nothing(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    size_t part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    size_t end = part > 0 ? whole + 1 + part : whole;

    return text[end] == '\0' && (end == 0 || whole > 0);
}

/* What is written without quotes must be what it says. */
static bool is_sound(const struct event *event)
{
    return is_word(event->what) &&
           (!event_is_of_weight(event) ||
            (is_weight_or_nothing(event->from) && is_weight_or_nothing(event->to)));
}

static bool read_event(const json_t *root, struct event *event)
{
    const json_t *id = json_object_get(root, "id");
    char at[64];

    *event = (struct event){.id = 0};
    if (!json_is_integer(id) || json_integer_value(id) < 1 || json_integer_value(id) > ID_MAX)
        return false;
    event->id = (uint64_t)json_integer_value(id);
    return read_text(root, "at", at, sizeof(at)) && read_time(at, &event->wall_ms) &&
           read_text(root, "actor", event->actor, sizeof(event->actor)) &&
           read_text(root, "what", event->what, sizeof(event->what)) &&
           read_text(root, "subject", event->subject, sizeof(event->subject)) &&
           read_text(root, "from", event->from, sizeof(event->from)) &&
           read_text(root, "to", event->to, sizeof(event->to)) &&
           read_text(root, "reason", event->reason, sizeof(event->reason)) &&
           read_text(root, "result", event->result, sizeof(event->result)) && is_sound(event);
}

bool event_read(struct str text, struct event *event)
{
    json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool is_event = read_event(root, event);

    json_decref(root);
    return is_event;
}
