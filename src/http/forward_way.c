/*
 * forward_way.c - what a request says about its way to us: who has sent it first, and through whom
 * it has come.
 *
 *     X-Forwarded-For: 198.51.100.1, 203.0.113.9      an entry from each proxy: who it had before it
 *     Via: 1.1 edge (a, b), HTTP/1.1 inner:8080       an entry from each proxy: itself
 */
#include "forward_way.h"

/* ---- X-Forwarded-For ---- */

bool forward_next_entry(struct forward_entries *entries, struct str *entry)
{
    for (;;) {
        while (str_next_part(&entries->rest, ',', entry))
            if (entry->len > 0)
                return true;
        const struct field *field = NULL;
        while (entries->next_field < entries->message->count && field == NULL) {
            field = &entries->message->fields[entries->next_field++];
            field = field->id == FIELD_X_FORWARDED_FOR ? field : NULL;
        }
        if (field == NULL)
            return false;
        entries->rest = field->value;
    }
}

unsigned forward_count_entries(const struct message *message)
{
    struct forward_entries entries = {.message = message};
    struct str entry;
    unsigned count = 0;

    while (forward_next_entry(&entries, &entry))
        count++;
    return count;
}

/* "192.0.2.7:5678" and "[2001:db8::7]:5678", as an ALB writes when it is told to. */
static struct str without_port(struct str entry)
{
    char end = entry.len > 0 && entry.data[0] == '[' ? ']' : ':';
    ptrdiff_t at = str_find_char(entry, end, 0);

    if (end == ']')
        return at < 0 ? entry : str_slice(entry, 0, (size_t)at + 1);
    bool has_port = at >= 0 && str_find_char(entry, ':', (size_t)at + 1) < 0;
    return has_port ? str_slice(entry, 0, (size_t)at) : entry;
}

struct str forward_client_entry(const struct message *message, unsigned before)
{
    unsigned count = forward_count_entries(message);
    struct forward_entries entries = {.message = message};
    struct str entry = {"", 0};

    if (before >= count)
        return entry;
    for (unsigned i = 0; i < count - before; i++)
        forward_next_entry(&entries, &entry);
    return without_port(entry);
}

/* The one value under this name. An edge replaces what was there: of two, one is somebody else's. */
static struct str only_value(const struct message *message, struct str name)
{
    const struct field *found = NULL;

    for (unsigned i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (!str_eq_nocase(field->name, name))
            continue;
        if (found != NULL)
            return STR("");
        found = field;
    }
    return found == NULL ? STR("") : found->value;
}

struct str forward_client_named(const struct message *message, enum forward_edge edge,
                                unsigned before)
{
    switch (edge) {
    case FORWARD_EDGE_CLOUDFLARE:
        return only_value(message, STR("CF-Connecting-IP"));
    case FORWARD_EDGE_RAILWAY:
        return only_value(message, STR("X-Real-IP"));
    case FORWARD_EDGE_ALB:
    case FORWARD_EDGE_PROXY:
        break;
    }
    return forward_client_entry(message, before);
}

bool forward_edge_is_last(enum forward_edge edge)
{
    return edge == FORWARD_EDGE_CLOUDFLARE || edge == FORWARD_EDGE_RAILWAY;
}

/* ---- Via ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Behind the comment that begins at `at`, comments within it included; `at` if it has no end. */
static size_t skip_comment(struct str value, size_t at)
{
    unsigned depth = 0;

    for (size_t i = at; i < value.len; i++)
        if (value.data[i] == '\\')
            i++;
        else if (value.data[i] == '(')
            depth++;
        else if (value.data[i] == ')' && --depth == 0)
            return i + 1;
    return at;
}

static size_t skip_word(struct str value, size_t at)
{
    do {
        at++;
    } while (at < value.len && !is_blank(value.data[at]) && value.data[at] != ',' &&
             value.data[at] != '(');
    return at;
}

/* host, or host:port */
static bool is_host(struct str received_by, struct str host)
{
    struct str rest = str_slice(received_by, host.len, received_by.len);

    return str_starts_with_nocase(received_by, host) && (rest.len == 0 || rest.data[0] == ':');
}

/*
 * The second word of an entry is who received it. A comment that has no end is none: what a client
 * opens must not swallow the entries that were put behind it. As there are no comments behind that
 * one either, a value is read twice at most.
 */
static bool via_names(struct str value, struct str host)
{
    bool has_comments = true;
    unsigned words = 0; /* of this entry */
    size_t at = 0;

    while (at < value.len) {
        char c = value.data[at];
        size_t from = at;
        if (c == ',' || is_blank(c)) {
            words = c == ',' ? 0 : words;
            at++;
        } else if (c == '(' && has_comments) {
            at = skip_comment(value, at);
            has_comments = at > from;
        } else {
            at = skip_word(value, at);
            if (++words == 2 && is_host(str_slice(value, from, at), host))
                return true;
        }
    }
    return false;
}

bool forward_has_passed(const struct message *message, struct str via)
{
    for (unsigned i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (UNLIKELY(field->id == FIELD_VIA) && via_names(field->value, via))
            return true;
    }
    return false;
}
