/*
 * pen.c - the hand of forward.
 *
 *     received   GET /a HTTP/1.1 | Accept | Cookie | Connection | User-Agent | Referer |
 *                                  [---- run ----]    dropped     [------ run -------]
 *     leaves     GET /a HTTP/1.1 | Host | Accept Cookie | User-Agent Referer | Via ...
 *
 * A field passed through costs the comparison of its end with the next one's begin; the bytes move
 * in one memcpy a run.
 */
#include "http/pen.h"

#include "base/check.h"

void pen_open(struct pen *pen, struct buf *out, size_t bound)
{
    *pen = (struct pen){
        .out = out, .at = buf_reserve(out, bound), .held = buf_len(out), .bound = bound};
}

void pen_close(struct pen *pen)
{
    pen_lend(pen);
    CHECK(buf_len(pen->out) - pen->held <= pen->bound);
}

void pen_put_u64(struct pen *pen, uint64_t number)
{
    char digits[20];
    char *at = digits + sizeof(digits);

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    pen_put(pen, str_from(at, (size_t)(digits + sizeof(digits) - at)));
}

void pen_line(struct pen *pen, struct str name, struct str value)
{
    pen_put(pen, name);
    PEN_PUT(pen, ": ");
    pen_put(pen, value);
    PEN_PUT(pen, "\r\n");
}

void pen_keep(struct pen *pen, const struct field *field)
{
    const char *name_end = field->name.data + field->name.len;
    const char *value_end = field->value.data + field->value.len;

    /* Every value is followed by its line end: one byte behind it may be read. */
    if (field->value.data != name_end + 2 || name_end[1] != ' ' || *value_end != '\r') {
        pen_flush(pen);
        pen_line(pen, field->name, field->value);
        return;
    }
    if (pen->run == NULL || pen->run_end != field->name.data) {
        pen_flush(pen);
        pen->run = field->name.data;
    }
    pen->run_end = value_end + 2;
}

void pen_flush(struct pen *pen)
{
    if (pen->run != NULL) {
        pen_put(pen, str_from(pen->run, (size_t)(pen->run_end - pen->run)));
        pen->run = NULL;
    }
}

void pen_lend(struct pen *pen)
{
    buf_commit(pen->out, (size_t)(pen->at - (pen->out->data + pen->out->end)));
}

void pen_take_back(struct pen *pen)
{
    pen->at = pen->out->data + pen->out->end;
}

size_t pen_received_bytes(const struct message *message)
{
    struct str last = message->status != 0 ? message->reason : message->target;

    if (message->count > 0)
        last = message->fields[message->count - 1].value;
    return last.data == NULL ? 0 : (size_t)(last.data + last.len - message->base);
}

void pen_via(struct pen *pen, const struct message *message, struct str ours)
{
    PEN_PUT(pen, "Via: ");
    for (unsigned i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (field->id == FIELD_VIA && field->value.len > 0) {
            pen_put(pen, field->value);
            PEN_PUT(pen, ", ");
        }
    }
    pen_put(pen, message->minor == 0 ? STR("1.0 ") : STR("1.1 "));
    pen_put(pen, ours);
    PEN_PUT(pen, "\r\n");
}

void pen_content_length(struct pen *pen, uint64_t length)
{
    PEN_PUT(pen, "Content-Length: ");
    pen_put_u64(pen, length);
    PEN_PUT(pen, "\r\n");
}

static bool is_option(struct str token)
{
    return str_eq_nocase(token, STR("keep-alive")) || str_eq_nocase(token, STR("close")) ||
           str_eq_nocase(token, STR("upgrade"));
}

void named_collect(struct named *named, const struct message *message)
{
    named->count = 0;
    for (unsigned i = 0; i < message->count; i++) {
        if (message->fields[i].id != FIELD_CONNECTION)
            continue;
        struct str rest = message->fields[i].value;
        struct str token;
        while (named->count < NAMED_MAX && str_next_part(&rest, ',', &token))
            if (token.len > 0 && !is_option(token))
                named->item[named->count++] = token;
    }
}

bool named_has(const struct named *named, struct str name)
{
    for (unsigned i = 0; i < named->count; i++)
        if (named->item[i].len == name.len && str_eq_nocase(named->item[i], name))
            return true;
    return false;
}
