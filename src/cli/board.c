/*
 * board.c - items in; a page of at most so many rows out:
 *
 *     NO ANSWER ...           only then
 *     status                  as `cutover status`, without what is well
 *     newest events           what room there is
 *     q quits ...
 */
#include "cli/board.h"

#include <stdio.h>

#include "cli/figures.h"
#include "cli/read.h"
#include "cli/screen.h"
#include "cli/show.h"

#define ROWS_FOR_EVENTS 5 /* with their head, also where the status has no room then */
#define ROWS_TO_SHARE   14

void board_init(struct board *board, const char *url)
{
    *board = (struct board){.url = url};
}

void board_deinit(struct board *board)
{
    json_decref(board->status);
    json_decref(board->compare);
    for (unsigned i = 0; i < board->event_count; i++)
        json_decref(board->events[i]);
}

/* ---- taking in ---- */

static bool replace(json_t **place, struct str text)
{
    json_t *next = read_json(text);

    if (next == NULL)
        return false;
    json_decref(*place);
    *place = next;
    return true;
}

/* After a break the newest come again. */
static bool is_known(const struct board *board, const json_t *event)
{
    for (unsigned i = 0; i < board->event_count; i++)
        if (read_number(board->events[i], "id") == read_number(event, "id") &&
            strcmp(read_text(board->events[i], "at", ""), read_text(event, "at", "")) == 0)
            return true;
    return false;
}

static bool take_event(struct board *board, struct str text)
{
    json_t *event = read_json(text);

    if (event == NULL || is_known(board, event)) {
        json_decref(event);
        return false;
    }
    if (board->event_count == BOARD_EVENTS) {
        json_decref(board->events[0]);
        memmove(board->events, board->events + 1, (BOARD_EVENTS - 1) * sizeof(board->events[0]));
        board->event_count--;
    }
    board->events[board->event_count++] = event;
    return true;
}

/* Each route with a plan of its own comes as well: what is drawn is the main weight's. */
static bool take_compare(struct board *board, struct str text)
{
    json_t *next = read_json(text);

    if (next != NULL && strcmp(read_text(next, "route", "main"), "main") == 0) {
        json_decref(board->compare);
        board->compare = json_incref(next);
    }
    json_decref(next);
    return next != NULL;
}

bool board_take(struct board *board, struct str kind, struct str text, uint64_t now_ms)
{
    if (str_eq(kind, STR("event")))
        return take_event(board, text);
    if (str_eq(kind, STR("compare")))
        return take_compare(board, text);
    if (str_eq(kind, STR("trouble"))) {
        snprintf(board->trouble, sizeof(board->trouble), "%.*s", STR_ARG(text));
        return true;
    }
    if (!str_eq(kind, STR("status")) || !replace(&board->status, text))
        return false;
    board->status_ms = now_ms;
    board->trouble[0] = '\0';
    clock_format(clock_wall_ms(), board->status_at);
    return true;
}

/* ---- drawing ---- */

static unsigned count_lines(struct str text)
{
    unsigned count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n' ? 1 : 0;
    return count;
}

static struct str first_lines(struct str text, unsigned count)
{
    size_t at = 0;

    for (; at < text.len && count > 0; at++)
        count -= text.data[at] == '\n' ? 1 : 0;
    return str_slice(text, 0, at);
}

static void draw_silence(const struct board *board, struct page *page, uint64_t now_ms)
{
    uint64_t silent_ms = now_ms > board->status_ms ? now_ms - board->status_ms : 0;

    if (silent_ms < BOARD_SILENT_MS)
        return;
    page_print(page, INK_BAD, "NO ANSWER since %s", figure_duration((double)silent_ms / 1000).text);
    if (board->trouble[0] != '\0')
        page_print(page, INK_BAD, ": %s", board->trouble);
    page_end(page);
    page_line(page, INK_CARE, "What follows was so at %s UTC. It is tried again every second.",
              figure_stamp(board->status_at).text);
    page_end(page);
}

static void draw_footer(const struct board *board, struct page *page)
{
    char now[CLOCK_ISO_BYTES];

    clock_format(clock_wall_ms(), now);
    page->is_cut = true;
    page_print(page, INK_FAINT, "q quits | %s UTC | %s", figure_stamp(now).text, board->url);
    page_end(page);
    page->is_cut = false;
}

/* The newest of them, each in one line. */
static void draw_events(const struct board *board, struct page *page, unsigned rows)
{
    unsigned count = board->event_count < rows - 2 ? board->event_count : rows - 2;

    page_end(page);
    page->is_cut = true;
    page_line(page, INK_FAINT, "NEWEST EVENTS%s", count == 0 ? ": none" : "");
    for (unsigned i = board->event_count - count; i < board->event_count; i++)
        show_event(page, board->events[i], true);
    page->is_cut = false;
}

/* How many rows the status gets; the events have the rest. */
static unsigned share_rows(unsigned lines, unsigned rows)
{
    if (rows < ROWS_TO_SHARE)
        return rows;
    return lines + ROWS_FOR_EVENTS <= rows ? lines : rows - ROWS_FOR_EVENTS;
}

void board_draw(const struct board *board, struct page *page, unsigned rows, uint64_t now_ms)
{
    unsigned left = rows > 1 ? rows - 1 : 1;
    struct page body;

    page_init(&body, page->width, page->has_ink);
    draw_silence(board, &body, now_ms);
    (void)screen_status(&body, board->status, board->compare, false);
    unsigned lines = count_lines(buf_str(&body.text));
    unsigned share = share_rows(lines, left);
    if (lines > share) {
        buf_append_str(&page->text, first_lines(buf_str(&body.text), share - 1));
        page->is_cut = true;
        page_line(page, INK_CARE, "... %u more lines: make the window higher, or `cutover status`",
                  lines - share + 1);
        page->is_cut = false;
        lines = share;
    } else {
        buf_append_str(&page->text, buf_str(&body.text));
    }
    if (left >= lines + 3)
        draw_events(board, page, left - lines);
    if (rows > 1)
        draw_footer(board, page);
    page_deinit(&body);
}

/* ---- a line ---- */

static void line_side(struct page *page, const json_t *compare, const char *name)
{
    const json_t *side = json_object_get(json_object_get(compare, "backends"), name);
    const json_t *p95 = json_object_get(json_object_get(side, "first_byte_ms"), "p95");

    if (read_number(side, "requests") <= 0)
        return;
    page_print(page, INK_PLAIN, " | %s: %s errors", name,
               figure_percent(read_inner_number(side, "error_rate", "value")).text);
    if (json_is_number(p95))
        page_print(page, INK_PLAIN, ", p95 %s", figure_ms(json_number_value(p95)).text);
}

void board_line(const struct board *board, struct page *page, struct str kind)
{
    char now[CLOCK_ISO_BYTES];

    if (str_eq(kind, STR("event"))) {
        show_event(page, board->events[board->event_count - 1], false);
        return;
    }
    clock_format(clock_wall_ms(), now);
    page_print(page, INK_PLAIN, "%s  ", now);
    if (str_eq(kind, STR("trouble"))) {
        page_print(page, INK_PLAIN, "NO ANSWER: %s", board->trouble);
    } else {
        screen_brief(page, board->status, board->compare);
        line_side(page, board->compare, "old");
        line_side(page, board->compare, "new");
    }
    page_end(page);
}
