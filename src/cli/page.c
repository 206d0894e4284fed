/*
 * page.c - format -> clean -> words -> lines. A gap of spaces is kept back until the next word is
 * there, so that no line ends in spaces and none begins with those it was broken at.
 */
#include "cli/page.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TERMINAL_COLUMNS 80 /* of one that does not tell */
#define NARROW_COLUMNS   40 /* below: labels stand alone */
#define NARROW_INDENT    2

void page_init(struct page *page, unsigned width, bool has_ink)
{
    *page = (struct page){.width = width < PAGE_LEAST ? PAGE_LEAST : width, .has_ink = has_ink};
}

void page_deinit(struct page *page)
{
    buf_deinit(&page->text);
}

unsigned page_width_of(FILE *stream)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size = {.ws_col = 0};
    uint64_t count = 0;

    if (isatty(fileno(stream))) {
        if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
            return size.ws_col;
        return TERMINAL_COLUMNS;
    }
    if (columns != NULL && str_to_u64(str_of(columns), &count) && count > 0 && count < PAGE_ENDLESS)
        return (unsigned)count;
    return PAGE_ENDLESS;
}

/* ---- one word at a time ---- */

static const char *const inks[] = {
    [INK_PLAIN] = "",        [INK_STRONG] = "\x1b[1m", [INK_GOOD] = "\x1b[32m",
    [INK_CARE] = "\x1b[33m", [INK_BAD] = "\x1b[1;31m", [INK_FAINT] = "\x1b[2m",
};

static void put_spaces(struct page *page, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        buf_append_char(&page->text, ' ');
    page->column += count;
}

static void put_text(struct page *page, enum ink ink, struct str text)
{
    bool is_inked = page->has_ink && ink != INK_PLAIN && text.len > 0;

    if (is_inked)
        buf_append_str(&page->text, str_of(inks[ink]));
    buf_append_str(&page->text, text);
    if (is_inked)
        buf_append_str(&page->text, STR("\x1b[0m"));
    page->column += (unsigned)text.len;
}

static void break_line(struct page *page)
{
    buf_append_char(&page->text, '\n');
    page->column = page->gap = 0;
    put_spaces(page, page->indent);
}

static unsigned room_of(const struct page *page)
{
    return page->column < page->width ? page->width - page->column : 0;
}

/* Of a page that is cut: what still fits, and no more after it. */
static void put_cut(struct page *page, enum ink ink, struct str word)
{
    if (page->is_full)
        return;
    if (page->gap >= room_of(page)) {
        page->is_full = true;
        return;
    }
    put_spaces(page, page->gap);
    page->gap = 0;
    page->is_full = word.len > room_of(page);
    put_text(page, ink, str_slice(word, 0, room_of(page)));
}

static void put_word(struct page *page, enum ink ink, struct str word)
{
    if (page->is_cut) {
        put_cut(page, ink, word);
        return;
    }
    /* A column is kept for a full stop or a bracket that comes behind. */
    unsigned room = room_of(page) - (page->gap > 0 && room_of(page) > 0 ? 1 : 0);
    if (page->gap + word.len > room && page->column > page->indent)
        break_line(page);
    put_spaces(page, page->gap < room_of(page) ? page->gap : 0);
    page->gap = 0;
    while (word.len > room_of(page)) {
        room = room_of(page);
        put_text(page, ink, str_slice(word, 0, room));
        word = str_slice(word, room, word.len);
        break_line(page);
    }
    put_text(page, ink, word);
}

/* Formatted, with nothing in it that is not printable ASCII. */
static PRINTF_LIKE(1, 0) struct buf format_clean(const char *format, va_list arguments)
{
    struct buf text = BUF_EMPTY;

    buf_vprintf(&text, format, arguments);
    for (size_t i = text.start; i < text.end; i++)
        text.data[i] = text.data[i] >= 0x20 && text.data[i] < 0x7f ? text.data[i] : '?';
    return text;
}

/* "30 %" is one word. */
static bool ends_word(struct str text, size_t at)
{
    return text.data[at] == ' ' && !(at + 1 < text.len && text.data[at + 1] == '%');
}

static void put_words(struct page *page, enum ink ink, struct str text)
{
    size_t at = 0;

    while (at < text.len) {
        size_t from = at;

        while (at < text.len && text.data[at] == ' ')
            at++;
        page->gap += (unsigned)(at - from);
        from = at;
        while (at < text.len && !ends_word(text, at))
            at++;
        if (at > from)
            put_word(page, ink, str_slice(text, from, at));
    }
}

/* ---- what callers write ---- */

void page_print(struct page *page, enum ink ink, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    struct buf text = format_clean(format, arguments);
    va_end(arguments);
    put_words(page, ink, buf_str(&text));
    buf_deinit(&text);
}

void page_piece(struct page *page, enum ink ink, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    struct buf text = format_clean(format, arguments);
    va_end(arguments);
    if (buf_len(&text) <= page->width - page->indent)
        put_word(page, ink, buf_str(&text));
    else
        put_words(page, ink, buf_str(&text));
    buf_deinit(&text);
}

void page_cell(struct page *page, enum ink ink, int width, const char *format, ...)
{
    size_t most = (size_t)abs(width);
    va_list arguments;

    va_start(arguments, format);
    struct buf text = format_clean(format, arguments);
    va_end(arguments);
    struct str shown = str_slice(buf_str(&text), 0, most);
    unsigned left = (unsigned)(most - shown.len);
    if (buf_len(&text) > most)
        text.data[text.start + most - 1] = '~';
    if (width < 0)
        page->gap += left;
    if (shown.len > 0)
        put_word(page, ink, shown);
    page->gap += width < 0 ? 1 : left + 1;
    buf_deinit(&text);
}

void page_label(struct page *page, const char *label)
{
    if (page->column > 0)
        page_end(page);
    page->indent = page->width < NARROW_COLUMNS ? NARROW_INDENT : PAGE_LABEL;
    size_t len = strlen(label);
    put_word(page, INK_PLAIN, str_from(label, len));
    page->gap = len < PAGE_LABEL ? (unsigned)(PAGE_LABEL - len) : 1;
    if (page->width < NARROW_COLUMNS)
        break_line(page);
}

void page_hang(struct page *page)
{
    if (page->column + page->gap <= page->width / 2)
        page->indent = page->column + page->gap;
}

void page_end(struct page *page)
{
    buf_append_char(&page->text, '\n');
    page->column = page->indent = page->gap = 0;
    page->is_full = false;
}

void page_line(struct page *page, enum ink ink, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    struct buf text = format_clean(format, arguments);
    va_end(arguments);
    put_words(page, ink, buf_str(&text));
    buf_deinit(&text);
    page_end(page);
}

void page_write(const struct page *page, FILE *out)
{
    struct str text = buf_str(&page->text);

    fwrite(text.data, 1, text.len, out);
}
