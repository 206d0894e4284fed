#include "base/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define PATH_BYTES 256
#define RING_LINES ((1 << 20) / 100) /* that the ring has room for, at 100 bytes each */

static char folder[] = "/tmp/cutover-test-XXXXXX";
static char path[PATH_BYTES];  /* folder/log */
static char other[PATH_BYTES]; /* folder/other */
static struct buf seen;

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
}

static void tear_down(void)
{
    unlink(path);
    unlink(other);
    rmdir(folder);
    buf_deinit(&seen);
}

TestSuite(log, .init = set_up, .fini = tear_down, .timeout = 20);

static void start(const char *file, enum log_level level)
{
    struct error error;
    cr_assert(log_start(file, level, &error), "%s", error.text);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* All that is there, in `seen`. */
static struct str read_to_end(int fd)
{
    buf_clear(&seen);
    ssize_t got;
    while ((got = read(fd, buf_reserve(&seen, 65536), 65536)) > 0)
        buf_commit(&seen, (size_t)got);
    close(fd);
    return buf_str(&seen);
}

static struct str read_file(const char *name)
{
    int fd = open(name, O_RDONLY);
    cr_assert_geq(fd, 0, "cannot open %s", name);
    return read_to_end(fd);
}

static off_t file_size(const char *name)
{
    struct stat status;
    return stat(name, &status) == 0 ? status.st_size : -1;
}

static void wait_for_size(const char *name, off_t size)
{
    while (file_size(name) < size)
        sleep_ms(1);
}

/* The line without its time, whose form is checked. */
static struct str without_time(struct str line)
{
    static const char form[] = "{\"time\":\"0000-00-00T00:00:00.000Z\",";
    size_t len = sizeof(form) - 1;
    cr_assert_geq(line.len, len);
    for (size_t i = 0; i < len; i++) {
        bool fits = form[i] == '0' ? ascii_is_digit(line.data[i]) : line.data[i] == form[i];
        cr_assert(fits, "not a time: %.*s", STR_ARG(line));
    }
    return str_slice(line, len, line.len);
}

static void expect_line(struct str *rest, const char *wanted)
{
    ptrdiff_t end = str_find_char(*rest, '\n', 0);
    cr_assert_geq(end, 0, "no further line, wanted %s", wanted);
    struct str line = without_time(str_slice(*rest, 0, (size_t)end));
    cr_expect(str_eq(line, str_of(wanted)), "got %.*s, wanted %s", STR_ARG(line), wanted);
    *rest = str_slice(*rest, (size_t)end + 1, rest->len);
}

/* `count` lines of 100 bytes, numbered from `from`: "000000123 xxx...\n". */
static void log_numbered(unsigned from, unsigned count)
{
    char line[101];
    memset(line, 'x', sizeof(line));
    for (unsigned i = from; i < from + count; i++) {
        snprintf(line, sizeof(line), "%09u", i);
        line[9] = ' ';
        line[99] = '\n';
        log_lines(str_from(line, 100));
    }
}

/* The whole numbered lines at the begin of `rest`, which must go up by one. */
static unsigned take_numbered(struct str *rest, unsigned from)
{
    unsigned next = from;
    uint64_t number;
    while (rest->len >= 100 && str_to_u64(str_slice(*rest, 0, 9), &number)) {
        cr_assert_eq(number, next);
        cr_assert_eq(rest->data[99], '\n');
        next++;
        *rest = str_slice(*rest, 100, rest->len);
    }
    return next - from;
}

static void expect_gap(struct str *rest, unsigned lines)
{
    char wanted[128];
    snprintf(wanted, sizeof(wanted),
             "\"level\":\"warn\",\"message\":\"log lines dropped\",\"dropped\":%u}", lines);
    expect_line(rest, wanted);
}

/* `fd` becomes a pipe; returns the end to read from. */
static int pipe_instead_of(int fd)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(dup2(ends[1], fd), fd);
    close(ends[1]);
    return ends[0];
}

/* As pipe_instead_of, but with no room left in the pipe: `filled` bytes stand in it. */
static int full_pipe_instead_of(int fd, size_t *filled)
{
    int reader = pipe_instead_of(fd);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    *filled = 0;
    while (write(fd, "\n", 1) == 1)
        ++*filled;
    fcntl(fd, F_SETFL, flags);
    return reader;
}

/* Reads on until `seen` ends with `end`. */
static struct str read_until(int fd, struct str end)
{
    while (!str_ends_with_nocase(buf_str(&seen), end)) {
        ssize_t got = read(fd, buf_reserve(&seen, 65536), 65536);
        cr_assert_gt(got, 0);
        buf_commit(&seen, (size_t)got);
    }
    return buf_str(&seen);
}

Test(log, a_line_is_a_json_object_with_its_keys_in_order)
{
    start(path, LOG_DEBUG);
    log_event(LOG_WARN, "server is down", LOG_TEXT("server", "http://a\"b"),
              LOG_STR("part", str_from("abcdef", 3)), LOG_U64("big", UINT64_MAX),
              LOG_I64("small", -7), LOG_BOOL("yes", 2), LOG_BOOL("no", false),
              LOG_TEXT("none", NULL));
    log_message(LOG_DEBUG, "a");
    log_message(LOG_INFO, "b");
    log_message(LOG_ERROR, "c");
    log_stop();

    struct str rest = read_file(path);
    expect_line(&rest, "\"level\":\"warn\",\"message\":\"server is down\","
                       "\"server\":\"http://a\\\"b\",\"part\":\"abc\","
                       "\"big\":18446744073709551615,\"small\":-7,\"yes\":true,\"no\":false,"
                       "\"none\":null}");
    expect_line(&rest, "\"level\":\"debug\",\"message\":\"a\"}");
    expect_line(&rest, "\"level\":\"info\",\"message\":\"b\"}");
    expect_line(&rest, "\"level\":\"error\",\"message\":\"c\"}");
    cr_expect_eq(rest.len, 0);
}

Test(log, lines_below_the_level_are_left_out)
{
    start(path, LOG_WARN);
    log_message(LOG_DEBUG, "no");
    log_message(LOG_INFO, "no");
    log_message(LOG_WARN, "yes");
    log_message(LOG_ERROR, "yes too");
    log_stop();

    struct str rest = read_file(path);
    expect_line(&rest, "\"level\":\"warn\",\"message\":\"yes\"}");
    expect_line(&rest, "\"level\":\"error\",\"message\":\"yes too\"}");
    cr_expect_eq(rest.len, 0);
    cr_expect_eq(log_dropped(), 0);
}

Test(log, a_file_is_appended_to_and_closed_to_others)
{
    umask(0);
    start(path, LOG_INFO);
    log_lines(STR("one\n"));
    log_stop();
    start(path, LOG_INFO);
    log_lines(STR("two\nthree\n"));
    log_stop();

    cr_expect(str_eq(read_file(path), STR("one\ntwo\nthree\n")));
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0640);
}

Test(log, a_file_that_cannot_be_opened_is_told_in_a_sentence)
{
    struct error error;
    char missing[PATH_BYTES];
    snprintf(missing, sizeof(missing), "%.100s/missing/log", folder);
    cr_expect_not(log_start(missing, LOG_INFO, &error));
    cr_expect_not_null(strstr(error.text, "cannot open the log file /"));
    cr_expect_not_null(strstr(error.text, "/missing/log: No such file or directory"));
}

Test(log, before_the_start_and_after_the_stop_lines_go_to_stderr)
{
    int reader = pipe_instead_of(STDERR_FILENO);
    log_message(LOG_DEBUG, "early");
    start(path, LOG_INFO);
    log_message(LOG_INFO, "in the file");
    log_stop();
    log_message(LOG_INFO, "late");
    log_stop();

    struct str rest = read_until(reader, STR("\"late\"}\n"));
    expect_line(&rest, "\"level\":\"debug\",\"message\":\"early\"}");
    expect_line(&rest, "\"level\":\"info\",\"message\":\"late\"}");
    cr_expect_eq(rest.len, 0);
    rest = read_file(path);
    expect_line(&rest, "\"level\":\"info\",\"message\":\"in the file\"}");
    cr_expect_eq(rest.len, 0);
}

Test(log, lines_stay_whole_and_in_order_round_the_ring)
{
    start(path, LOG_INFO);
    for (unsigned i = 0; i < 60; i++) {
        log_numbered(i * 1001, 1001);
        if (i % 5 == 4)
            wait_for_size(path, (off_t)(i + 1) * 100100);
    }
    log_stop();
    struct str rest = read_file(path);
    cr_expect_eq(take_numbered(&rest, 0), 60060);
    cr_expect_eq(rest.len, 0);
    cr_expect_eq(log_dropped(), 0);
}

static void *log_some(void *argument)
{
    (void)argument;
    for (int i = 0; i < 1000; i++)
        log_event(LOG_INFO, "m", LOG_TEXT("k", "v"));
    return NULL;
}

Test(log, many_threads_may_speak_at_once)
{
    pthread_t threads[4];
    start(path, LOG_INFO);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, log_some, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_stop();
    struct str rest = read_file(path);
    for (int i = 0; i < 4000; i++)
        expect_line(&rest, "\"level\":\"info\",\"message\":\"m\",\"k\":\"v\"}");
    cr_expect_eq(rest.len, 0);
}

Test(log, a_blocked_sink_blocks_nobody_and_what_is_dropped_is_counted_and_told)
{
    const unsigned count = 40000; /* four times what the ring holds */
    size_t filled;
    int reader = full_pipe_instead_of(STDOUT_FILENO, &filled);
    start(NULL, LOG_INFO);
    log_numbered(0, count); /* would hang here for ever, if it waited */
    log_lines(STR("fits, but comes after the gap began\n"));
    uint64_t dropped = log_dropped();
    cr_expect_eq(dropped, count - RING_LINES + 1);

    struct str rest = read_until(reader, STR("}\n"));
    rest = str_slice(rest, filled, rest.len);
    cr_expect_eq(take_numbered(&rest, 0), RING_LINES);
    expect_gap(&rest, (unsigned)dropped);
    cr_expect_eq(rest.len, 0);

    log_numbered(count, 10);
    log_stop();
    close(STDOUT_FILENO);
    rest = read_to_end(reader);
    cr_expect_eq(take_numbered(&rest, count), 10);
    cr_expect_eq(rest.len, 0);
    cr_expect_eq(log_dropped(), dropped);
}

Test(log, of_many_lines_at_once_as_many_whole_ones_as_fit_are_taken)
{
    size_t filled;
    int reader = full_pipe_instead_of(STDOUT_FILENO, &filled);
    start(NULL, LOG_INFO);
    struct buf lines = BUF_EMPTY;
    for (unsigned i = 0; i < 30000; i++)
        buf_printf(&lines, "%09u %089u\n", i, 0);
    log_lines(buf_str(&lines));
    buf_deinit(&lines);
    cr_expect_eq(log_dropped(), 30000 - RING_LINES);

    struct str rest = read_until(reader, STR("}\n"));
    rest = str_slice(rest, filled, rest.len);
    cr_expect_eq(take_numbered(&rest, 0), RING_LINES);
    expect_gap(&rest, 30000 - RING_LINES);
    log_stop();
}

Test(log, stopping_gives_up_a_blocked_sink_after_a_second)
{
    size_t filled;
    int reader = full_pipe_instead_of(STDOUT_FILENO, &filled);
    int errors = pipe_instead_of(STDERR_FILENO);
    start(NULL, LOG_INFO);
    log_numbered(0, 5000);
    uint64_t began_ms = clock_mono_ms();
    log_stop();
    uint64_t took_ms = clock_mono_ms() - began_ms;
    cr_expect_geq(took_ms, 900);
    cr_expect_leq(took_ms, 3000);
    cr_expect_eq(log_dropped(), 5000);

    log_message(LOG_INFO, "on stderr");
    struct str rest = read_until(errors, STR("}\n"));
    expect_line(&rest, "\"level\":\"info\",\"message\":\"on stderr\"}");

    /* The thread that was left behind comes free, and does not disturb the next log. */
    start(path, LOG_INFO);
    close(reader);
    sleep_ms(50);
    log_lines(STR("next\n"));
    log_stop();
    cr_expect(str_eq(read_file(path), STR("next\n")));
}

Test(log, stopping_writes_out_what_is_left)
{
    start(path, LOG_INFO);
    log_numbered(0, 10000);
    log_stop();
    struct str rest = read_file(path);
    cr_expect_eq(take_numbered(&rest, 0), 10000);
}

Test(log, a_reader_that_is_gone_kills_nobody)
{
    close(pipe_instead_of(STDOUT_FILENO));
    start(NULL, LOG_INFO);
    log_lines(STR("nobody hears\n"));
    sleep_ms(50);
    log_stop();
    cr_expect_eq(log_dropped(), 1);
}

static uint64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

Test(log, a_full_disk_loses_no_line_that_the_ring_holds_and_burns_no_cpu)
{
    cr_assert_eq(symlink("/dev/full", path), 0);
    start(path, LOG_INFO);
    log_numbered(0, 20000);
    uint64_t dropped = log_dropped();
    cr_expect_eq(dropped, 20000 - RING_LINES);

    uint64_t before_ms = cpu_ms();
    sleep_ms(300);
    cr_expect_leq(cpu_ms() - before_ms, 60);

    cr_assert_eq(unlink(path), 0);
    log_reopen();
    wait_for_size(path, (off_t)(20000 - dropped) * 100 + 1);
    log_stop();
    struct str rest = read_file(path);
    cr_expect_eq(take_numbered(&rest, 0), 20000 - dropped);
    expect_gap(&rest, (unsigned)dropped);
    cr_expect_eq(rest.len, 0);
}

static void limit_file_size(rlim_t size)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size == 0 ? limit.rlim_max : size;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(log, a_line_that_was_half_written_is_completed)
{
    limit_file_size(1050);
    start(path, LOG_INFO);
    log_numbered(0, 20);
    wait_for_size(path, 1050);
    limit_file_size(0);
    wait_for_size(path, 2000);
    log_stop();
    struct str rest = read_file(path);
    cr_expect_eq(take_numbered(&rest, 0), 20);
    cr_expect_eq(rest.len, 0);
}

Test(log, a_new_file_begins_with_a_whole_line)
{
    limit_file_size(1050);
    start(path, LOG_INFO);
    log_numbered(0, 20);
    wait_for_size(path, 1050);
    cr_assert_eq(rename(path, other), 0);
    log_reopen();
    wait_for_size(path, 1000);
    log_stop();
    struct str rest = read_file(path);
    cr_expect_eq(take_numbered(&rest, 10), 10);
    cr_expect_eq(rest.len, 0);
}

Test(log, reopening_begins_a_new_file_under_the_name)
{
    start(path, LOG_INFO);
    log_lines(STR("old\n"));
    wait_for_size(path, 4);
    cr_assert_eq(rename(path, other), 0);
    log_reopen();
    log_lines(STR("new\n"));
    log_stop();
    cr_expect(str_eq(read_file(other), STR("old\n")));
    cr_expect(str_eq(read_file(path), STR("new\n")));
}

Test(log, a_file_that_cannot_be_reopened_is_kept_and_told)
{
    start(path, LOG_INFO);
    cr_assert_eq(rename(path, other), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    log_reopen();
    wait_for_size(other, 1);
    log_message(LOG_INFO, "on it goes");
    log_stop();
    rmdir(path);

    struct str rest = read_file(other);
    char wanted[2 * PATH_BYTES];
    snprintf(wanted, sizeof(wanted),
             "\"level\":\"error\",\"message\":\"cannot reopen the log file\",\"file\":\"%s\","
             "\"error\":\"Is a directory\"}",
             path);
    expect_line(&rest, wanted);
    expect_line(&rest, "\"level\":\"info\",\"message\":\"on it goes\"}");
    cr_expect_eq(rest.len, 0);
}

Test(log, reopening_does_nothing_to_stdout)
{
    int reader = pipe_instead_of(STDOUT_FILENO);
    log_reopen();
    start(NULL, LOG_INFO);
    log_reopen();
    log_lines(STR("one\n"));
    log_stop();
    cr_expect(str_eq(read_until(reader, STR("one\n")), STR("one\n")));
    cr_expect_eq(write(STDOUT_FILENO, "x", 1), 1);
}

Test(log_due, once_for_a_while)
{
    _Atomic uint64_t told_ms = 0;

    cr_expect(log_is_due(&told_ms, 5));
    cr_expect_not(log_is_due(&told_ms, 6));
    cr_expect_not(log_is_due(&told_ms, 3), "another thread's idea of now");
    cr_expect_not(log_is_due(&told_ms, 5 + LOG_AGAIN_MS - 1));
    cr_expect(log_is_due(&told_ms, 5 + LOG_AGAIN_MS));
}
