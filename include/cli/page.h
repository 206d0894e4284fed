/*
 * page.h - text for people, laid out for a width: everything that a verb shows is written into one,
 * and so can be tested, printed, or drawn again and again (watch).
 *
 * Plain ASCII whatever is put in: all else becomes '?', a newline too, so that no text that came over
 * the network can drive the terminal or begin a line of its own. No line is wider than the page: text
 * goes on below, under where it began; with is_cut it ends there instead.
 *
 *     page_label(&page, "verdict");             verdict   inconclusive: 120 of 200 requests have
 *     page_print(&page, INK_PLAIN, "%s", why);            been seen on new
 *     page_end(&page);
 */
#ifndef CLI_PAGE_H
#define CLI_PAGE_H

#include <stdio.h>

#include "base/buf.h"

#define PAGE_ENDLESS 1000000 /* columns, where nothing is to be wrapped: pipes and files */
#define PAGE_LEAST   20

/* How wide labels are, with the space behind. */
#define PAGE_LABEL 10

enum ink { INK_PLAIN = 0, INK_STRONG, INK_GOOD, INK_CARE, INK_BAD, INK_FAINT };

struct page {
    struct buf text; /* the lines so far, each with its newline; no NUL */
    unsigned width;
    unsigned indent; /* where a line goes on that was too long */
    unsigned column; /* of the line under way */
    unsigned gap;    /* spaces that stand before the next word, if it comes on this line */
    bool has_ink;    /* colours are written */
    bool is_cut;
    bool is_full; /* this line has been cut */
};

void page_init(struct page *page, unsigned width, bool has_ink);
void page_deinit(struct page *page);

/* How wide `stream` is: a terminal's columns, else COLUMNS, else PAGE_ENDLESS. */
unsigned page_width_of(FILE *stream);

/* Words, wrapped at spaces; what is wider than the page is broken anywhere. */
void page_print(struct page *page, enum ink ink, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same, kept together on one line where it fits in one: commands, items of a list. */
void page_piece(struct page *page, enum ink ink, const char *format, ...) PRINTF_LIKE(3, 4);

/* A cell of a table and a space: cut with '~' at `width`; a negative width is aligned right. */
void page_cell(struct page *page, enum ink ink, int width, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* A new line that begins with a label; all until page_end stands behind it. */
void page_label(struct page *page, const char *label);

/* The last column of a table: what follows goes on below here, where that leaves enough room. */
void page_hang(struct page *page);

/* Ends the line; one that has nothing in it is an empty line. */
void page_end(struct page *page);

/* One line, wrapped. */
void page_line(struct page *page, enum ink ink, const char *format, ...) PRINTF_LIKE(3, 4);

void page_write(const struct page *page, FILE *out);

#endif
