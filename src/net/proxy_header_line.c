/*
 * proxy_header_line.c - version 1: a line of text.
 *
 *     PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n
 *     PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n
 *     PROXY UNKNOWN whatever\r\n
 *
 * The trick: the reader walks over what has come as if it were all there, and the word that is cut
 * short is judged as the front of one (is_..._front), so that a wrong byte is seen when it comes.
 */
#include "proxy_header_line.h"

#define LINE_MAX_BYTES 107 /* with its CRLF */

#define V4_DIGITS 3
#define V6_DIGITS 4
#define V6_GROUPS 8

typedef bool (*front_cb)(struct str text);

/* An IPv4 address, or the front of one. */
static bool is_v4_front(struct str text)
{
    unsigned value = 0;
    unsigned digits = 0;
    unsigned dots = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '.') {
            if (digits == 0 || ++dots > 3)
                return false;
            value = digits = 0;
            continue;
        }
        /* No zero in front: to some it means octal. */
        if (!ascii_is_digit(c) || (digits > 0 && value == 0) || ++digits > V4_DIGITS)
            return false;
        value = value * 10 + (unsigned)(c - '0');
        if (value > UINT8_MAX)
            return false;
    }
    return true;
}

/* Where the reader of an IPv6 address is. */
struct groups {
    unsigned ended;  /* groups with a colon behind them */
    unsigned digits; /* of the group that has none yet */
    bool has_gap;    /* "::" has been seen, for one group or more */
    bool has_colon;  /* the byte before is one */
};

static bool take_digit(struct groups *groups)
{
    bool is_behind_lone_colon = groups->has_colon && groups->ended == 0 && !groups->has_gap;
    unsigned room = groups->has_gap ? V6_GROUPS - 1 : V6_GROUPS;

    groups->has_colon = false;
    return !is_behind_lone_colon && groups->ended < room && ++groups->digits <= V6_DIGITS;
}

static bool take_colon(struct groups *groups)
{
    bool is_first = groups->ended == 0 && groups->digits == 0 && !groups->has_colon;
    bool is_second = groups->has_colon && !groups->has_gap;

    if (groups->digits > 0)
        groups->ended++;
    else if (is_second)
        groups->has_gap = true;
    else if (!is_first)
        return false;
    groups->digits = 0;
    groups->has_colon = true;
    /* Behind the colon something must follow; only a gap may come last. */
    return groups->ended + (groups->has_gap ? 1 : 0) < V6_GROUPS || is_second;
}

static bool is_hex(char c)
{
    char lower = ascii_lower(c);

    return ascii_is_digit(c) || (lower >= 'a' && lower <= 'f');
}

/* An IPv6 address, or the front of one. */
static bool is_v6_front(struct str text)
{
    struct groups groups = {0};

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '.') {
            /* The last two groups in decimal, as in ::ffff:192.0.2.7. */
            unsigned sum = groups.ended + 2;
            bool fits = groups.has_gap ? sum < V6_GROUPS : sum == V6_GROUPS;
            return fits && is_v4_front(str_slice(text, i - groups.digits, text.len));
        }
        if (c == ':' ? !take_colon(&groups) : !is_hex(c) || !take_digit(&groups))
            return false;
    }
    return true;
}

static bool is_port_front(struct str text)
{
    uint64_t port = 0;

    if (text.len == 0)
        return true;
    return (text.data[0] != '0' || text.len == 1) && str_to_u64(text, &port) && port <= UINT16_MAX;
}

static bool is_family_front(struct str text)
{
    return str_starts_with(STR("TCP4"), text) || str_starts_with(STR("TCP6"), text);
}

/* Behind UNKNOWN. */
static bool is_ignored_front(struct str text)
{
    return text.len == 0 || (text.data[0] == ' ' && str_find_char(text, '\n', 0) < 0);
}

/* The line as far as it has come. */
struct line {
    struct str rest;               /* what has not been read */
    enum proxy_header_state state; /* DONE: all that was asked for was there, and right */
};

/* Cuts `wanted` off. */
static void take(struct line *line, struct str wanted)
{
    size_t len = line->rest.len < wanted.len ? line->rest.len : wanted.len;

    if (line->state != PROXY_HEADER_DONE)
        return;
    if (!str_eq(str_slice(line->rest, 0, len), str_slice(wanted, 0, len)))
        line->state = PROXY_HEADER_BAD;
    else if (len < wanted.len)
        line->state = PROXY_HEADER_MORE;
    line->rest = str_slice(line->rest, len, line->rest.len);
}

/* Cuts a word and the `end` behind it off; empty unless the state is DONE. */
static struct str take_word(struct line *line, char end, front_cb is_front)
{
    struct str word = {"", 0};

    if (line->state != PROXY_HEADER_DONE)
        return word;
    ptrdiff_t at = str_find_char(line->rest, end, 0);
    size_t len = at < 0 ? line->rest.len : (size_t)at;
    if (!is_front(str_slice(line->rest, 0, len)))
        line->state = PROXY_HEADER_BAD;
    else if (at < 0)
        line->state = PROXY_HEADER_MORE;
    else
        word = str_slice(line->rest, 0, len);
    line->rest = str_slice(line->rest, len + 1, line->rest.len);
    return word;
}

static void take_address(struct line *line, front_cb is_front, struct addr *addr)
{
    struct str word = take_word(line, ' ', is_front);

    if (line->state == PROXY_HEADER_DONE && !addr_parse_ip(word, 0, addr))
        line->state = PROXY_HEADER_BAD;
}

static void take_port(struct line *line, char end, struct addr *addr)
{
    struct str word = take_word(line, end, is_port_front);
    uint64_t port = 0;

    if (line->state != PROXY_HEADER_DONE)
        return;
    if (str_to_u64(word, &port))
        addr_set_port(addr, (uint16_t)port);
    else
        line->state = PROXY_HEADER_BAD;
}

static void take_addresses(struct line *line, struct proxy_header *header)
{
    struct str family = take_word(line, ' ', is_family_front);
    front_cb is_front = str_eq(family, STR("TCP4")) ? is_v4_front : is_v6_front;

    if (line->state == PROXY_HEADER_DONE && family.len < 4)
        line->state = PROXY_HEADER_BAD;
    take_address(line, is_front, &header->source);
    take_address(line, is_front, &header->destination);
    take_port(line, ' ', &header->source);
    take_port(line, '\r', &header->destination);
    header->has_addresses = true;
}

enum proxy_header_state proxy_header_read_line(struct str bytes, struct proxy_header *header)
{
    struct line line = {.rest = str_slice(bytes, 0, LINE_MAX_BYTES), .state = PROXY_HEADER_DONE};

    take(&line, STR("PROXY "));
    if (str_starts_with(line.rest, STR("U"))) {
        take(&line, STR("UNKNOWN"));
        take_word(&line, '\r', is_ignored_front);
    } else {
        take_addresses(&line, header);
    }
    take(&line, STR("\n"));
    header->len = (size_t)(line.rest.data - bytes.data);
    /* The last two of its bytes can only be CR LF. */
    bool is_too_long = bytes.len >= LINE_MAX_BYTES - 1 && bytes.data[LINE_MAX_BYTES - 2] != '\r';
    return line.state == PROXY_HEADER_MORE && is_too_long ? PROXY_HEADER_BAD : line.state;
}
