/*
 * chunks.c - one state for each place between two bytes of framing.
 *
 *     SIZE -> [EXTENSION ...] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                                  `-> LINE -> [NAME -> VALUE -> VALUE_LF -> LINE] -> LAST_LF -> END
 *
 * step() takes one byte and moves on; data is passed over in one go before it is asked.
 */
#include "http/chunks.h"

#include "http/bytes.h"
#include "http/message.h"

#define SIZE_DIGITS_MAX 16

/* As many bytes as 18 digits of a Content-Length can say. */
#define CHUNK_BYTES_MAX UINT64_C(999999999999999999)

enum chunks_state {
    SIZE = 0,      /* a digit of the size, or what follows it */
    EXT_NAME,      /* the first letter of an extension's name */
    EXT_IN_NAME,   /* more of it, or what follows it */
    EXT_VALUE,     /* behind '=' */
    EXT_IN_TOKEN,  /* of a plain value */
    EXT_IN_QUOTED, /* of "..." */
    EXT_ESCAPED,   /* behind its '\' */
    EXT_CLOSED,    /* behind its end */
    SIZE_LF,
    DATA, /* as long as any is left */
    DATA_CR,
    DATA_LF,
    LINE,  /* a trailer, or the empty line */
    NAME,  /* of a trailer */
    VALUE, /* of a trailer */
    VALUE_LF,
    LAST_LF,
    END,
    BAD,
};

static bool is_extension(unsigned state)
{
    return state >= EXT_NAME && state <= EXT_CLOSED;
}

bool chunks_is_complete(const struct chunks *chunks)
{
    return chunks->state == END;
}

static int hex_digit(char c)
{
    char lower = ascii_lower(c);

    if (ascii_is_digit(c))
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static unsigned read_size(struct chunks *chunks, char c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        if (++chunks->digits > SIZE_DIGITS_MAX)
            return BAD;
        chunks->left = chunks->left << 4 | (uint64_t)digit;
        return SIZE;
    }
    if (chunks->digits == 0 || chunks->left > CHUNK_BYTES_MAX)
        return BAD;
    return c == ';' ? EXT_NAME : c == '\r' ? SIZE_LF : BAD;
}

/* Where an extension may end. */
static unsigned end_extension(char c)
{
    return c == ';' ? EXT_NAME : c == '\r' ? SIZE_LF : BAD;
}

static unsigned read_extension(unsigned state, char c)
{
    bool in_token = byte_is(c, IN_TOKEN);

    switch (state) {
    case EXT_NAME:
        return in_token ? EXT_IN_NAME : BAD;
    case EXT_IN_NAME:
        return in_token ? EXT_IN_NAME : c == '=' ? EXT_VALUE : end_extension(c);
    case EXT_VALUE:
        return in_token ? EXT_IN_TOKEN : c == '"' ? EXT_IN_QUOTED : BAD;
    case EXT_IN_TOKEN:
        return in_token ? EXT_IN_TOKEN : end_extension(c);
    case EXT_IN_QUOTED:
        if (c == '"')
            return EXT_CLOSED;
        return c == '\\' ? EXT_ESCAPED : byte_is(c, IN_VALUE) ? EXT_IN_QUOTED : BAD;
    case EXT_ESCAPED:
        return byte_is(c, IN_VALUE) ? EXT_IN_QUOTED : BAD;
    default:
        return end_extension(c);
    }
}

/* A name longer than any that is judged is cut, and equal to none of them. */
static unsigned read_trailer_name(struct chunks *chunks, char c)
{
    if (byte_is(c, IN_TOKEN)) {
        if (chunks->name_len < sizeof(chunks->name))
            chunks->name[chunks->name_len++] = c;
        return NAME;
    }
    if (c != ':' || chunks->name_len == 0)
        return BAD;
    enum field_id id = field_id_of(str_from(chunks->name, chunks->name_len));
    chunks->name_len = 0;
    return id == FIELD_CONTENT_LENGTH || id == FIELD_TRANSFER_ENCODING || id == FIELD_HOST ? BAD
                                                                                           : VALUE;
}

/* The state behind `c`. */
static unsigned step(struct chunks *chunks, char c)
{
    switch (chunks->state) {
    case SIZE:
        return read_size(chunks, c);
    case SIZE_LF:
        chunks->digits = 0;
        return c != '\n' ? BAD : chunks->left > 0 ? DATA : LINE;
    case DATA_CR:
        return c == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return c == '\n' ? SIZE : BAD;
    case LINE:
        return c == '\r' ? LAST_LF : read_trailer_name(chunks, c);
    case NAME:
        return read_trailer_name(chunks, c);
    case VALUE:
        return byte_is(c, IN_VALUE) ? VALUE : c == '\r' ? VALUE_LF : BAD;
    case VALUE_LF:
        return c == '\n' ? LINE : BAD;
    case LAST_LF:
        return c == '\n' ? END : BAD;
    default:
        return read_extension(chunks->state, c);
    }
}

/* Takes one byte of framing; false when it is wrong there, or one too many. */
static bool take_byte(struct chunks *chunks, char c)
{
    if (chunks->state >= LINE && ++chunks->trailer > CHUNKS_TRAILER_BYTES)
        return false;
    chunks->state = step(chunks, c);
    if (is_extension(chunks->state) && ++chunks->extension > CHUNKS_EXTENSION_BYTES)
        return false;
    return chunks->state != BAD;
}

/* Passes over data; how much. */
static size_t take_data(struct chunks *chunks, size_t available)
{
    size_t len = chunks->left < available ? (size_t)chunks->left : available;

    chunks->left -= len;
    if (chunks->left == 0)
        chunks->state = DATA_CR;
    return len;
}

/* Whether `c` is of an extension. The CR behind one is of the line again. */
static bool is_left_out(const struct chunks *chunks, char c)
{
    return c != '\r' && (is_extension(chunks->state) || (chunks->state == SIZE && c == ';'));
}

bool chunks_read(struct chunks *chunks, struct str data, unsigned most_pieces,
                 struct chunks_run *run)
{
    size_t at = 0;

    *run = (struct chunks_run){.pieces = 0};
    while (at < data.len && chunks->state != END && !is_left_out(chunks, data.data[at])) {
        if (chunks->state != DATA) {
            if (!take_byte(chunks, data.data[at++]))
                return false;
            continue;
        }
        if (run->pieces == most_pieces)
            break;
        size_t len = take_data(chunks, data.len - at);
        run->pieces++;
        run->bytes += len;
        at += len;
    }
    run->len = at;
    for (; at < data.len && is_left_out(chunks, data.data[at]); at++)
        if (!take_byte(chunks, data.data[at]))
            return false;
    run->skipped = at - run->len;
    return true;
}
