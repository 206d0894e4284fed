/*
 * terminal.c - the control sequences that every terminal since the VT100 knows, and the alternate
 * screen.
 */
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"

#define ROWS    24
#define COLUMNS 80

/* 1049: the alternate screen, 25: the cursor, 7: going on below what is too long. */
#define ENTER      "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J"
#define LEAVE      "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
#define HOME       "\x1b[H"
#define CLEAR_LINE "\x1b[K" /* from here to its end */
#define CLEAR_REST "\x1b[J" /* of the screen */

bool terminal_is_there(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
}

bool terminal_wants_ink(void)
{
    const char *no = getenv("NO_COLOR");

    return no == NULL || no[0] == '\0';
}

static bool write_all(struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t done = write(STDOUT_FILENO, bytes.data, bytes.len);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = STDOUT_FILENO, .events = POLLOUT};
            poll(&wait, 1, 100);
        } else if (done < 0 && errno != EINTR) {
            return false;
        }
        bytes = str_slice(bytes, done < 0 ? 0 : (size_t)done, bytes.len);
    }
    return true;
}

void terminal_enter(struct terminal *terminal)
{
    struct termios now;

    terminal->has_keys = tcgetattr(STDIN_FILENO, &terminal->before) == 0;
    if (terminal->has_keys) {
        now = terminal->before;
        now.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* Ctrl-C stays a signal */
        now.c_cc[VMIN] = 1;
        now.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &now);
    }
    write_all(STR(ENTER));
    terminal->is_on = true;
}

void terminal_leave(struct terminal *terminal)
{
    if (!terminal->is_on)
        return;
    terminal->is_on = false;
    write_all(STR(LEAVE));
    if (terminal->has_keys)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->before);
}

void terminal_size(unsigned *rows, unsigned *columns)
{
    struct winsize size = {.ws_row = 0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        size.ws_row = size.ws_col = 0;
    *rows = size.ws_row > 0 ? size.ws_row : ROWS;
    *columns = size.ws_col > 0 ? size.ws_col : COLUMNS;
}

/* No newline behind the last row: it would scroll. */
bool terminal_draw(struct str text, unsigned rows)
{
    struct buf out = BUF_EMPTY;
    ptrdiff_t end;

    buf_append_str(&out, STR(HOME));
    for (unsigned row = 0; row < rows && text.len > 0; row++) {
        end = str_find_char(text, '\n', 0);
        size_t len = end < 0 ? text.len : (size_t)end;
        buf_append_str(&out, row > 0 ? STR("\r\n") : STR(""));
        buf_append_str(&out, str_slice(text, 0, len));
        buf_append_str(&out, STR(CLEAR_LINE));
        text = str_slice(text, len + 1, text.len);
    }
    buf_append_str(&out, STR(CLEAR_REST));
    bool is_drawn = write_all(buf_str(&out));
    buf_deinit(&out);
    return is_drawn;
}

int terminal_key(const struct terminal *terminal)
{
    struct pollfd key = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char byte;

    if (!terminal->has_keys || poll(&key, 1, 0) <= 0)
        return 0;
    ssize_t size = read(STDIN_FILENO, &byte, 1);
    return size == 1 ? byte : size < 0 && errno == EINTR ? 0 : -1;
}
