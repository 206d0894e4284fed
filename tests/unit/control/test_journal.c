/* test_journal.c - the audit on disk: what was added is there after any end, and in order.
 *
 * A trap (trap.h) makes the n-th of the calls that change the disk fail, or ends the process in front
 * of it, so that every gap between two of them is tried.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "control/journal.h"
#include "tempdir.h"
#include "trap.h"

static struct tempdir dir;
static struct events events;
static struct journal journal;
static struct error error;

static const char *path(const char *ending)
{
    static char texts[4][160];
    static unsigned next;
    char *text = texts[next++ % ARRAY_LEN(texts)];

    snprintf(text, sizeof(texts[0]), "%s/state.json.events%s", dir.path, ending);
    return text;
}

static bool begin(void)
{
    events_init(&events);
    return journal_open(&journal, tempdir_file(&dir, "state.json"), &events, &error);
}

static void end(void)
{
    journal_close(&journal);
    events_deinit(&events);
}

static void again(void)
{
    end();
    cr_assert(begin(), "%s", error.text);
}

static void setup(void)
{
    int nowhere = open("/dev/null", O_WRONLY);

    cr_assert_geq(dup2(nowhere, STDERR_FILENO), 0);
    tempdir_make(&dir);
    cr_assert(begin(), "%s", error.text);
}

static void teardown(void)
{
    trap.countdown = 0;
    end();
    tempdir_remove(&dir);
}

TestSuite(journal, .init = setup, .fini = teardown);

static const char *what = "weight";

static void add(const char *reason)
{
    struct event event = {
        .actor = "ann", .subject = "main", .from = "0.25", .to = "30", .result = "ok"};

    snprintf(event.what, sizeof(event.what), "%s", what);
    snprintf(event.reason, sizeof(event.reason), "%s", reason);
    events_add(&events, event);
}

static void add_many(unsigned from, unsigned to)
{
    char text[32];

    for (unsigned i = from; i <= to; i++) {
        snprintf(text, sizeof(text), "number %u", i);
        add(text);
    }
}

/* Events 1 to `count` are there, each with its own number, as far as they are kept. */
static void assert_numbers(uint64_t count)
{
    char text[32];

    cr_assert_eq(events.next_id, count + 1, "%" PRIu64 " and not %" PRIu64, events.next_id - 1,
                 count);
    for (uint64_t id = count > EVENTS_MAX ? count - EVENTS_MAX + 1 : 1; id <= count; id++) {
        snprintf(text, sizeof(text), "number %" PRIu64, id);
        cr_assert_not_null(events_get(&events, id), "%" PRIu64, id);
        cr_assert_str_eq(events_get(&events, id)->reason, text);
    }
}

static void append_bytes(const char *ending, const char *bytes)
{
    FILE *file = fopen(path(ending), "ab");

    cr_assert_not_null(file);
    fputs(bytes, file);
    fclose(file);
}

static size_t count_lines(const char *ending)
{
    struct buf bytes = BUF_EMPTY;
    size_t lines = 0;

    file_read(path(ending), &bytes);
    for (size_t i = 0; i < buf_len(&bytes); i++)
        lines += buf_str(&bytes).data[i] == '\n' ? 1 : 0;
    buf_deinit(&bytes);
    return lines;
}

Test(journal, what_was_added_is_there_after_a_restart)
{
    struct event before;
    struct stat status;

    add("said \"go\"\n\xc3\xa9 \xff");
    add_many(2, 5);
    before = *events_get(&events, 1);
    cr_assert_eq(stat(path(""), &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0600);
    again();
    cr_assert_eq(events.next_id, 6);
    const struct event *after = events_get(&events, 1);
    cr_assert_eq(after->id, 1);
    cr_assert_eq(after->wall_ms, before.wall_ms);
    cr_assert_str_eq(after->actor, "ann");
    cr_assert_str_eq(after->what, "weight");
    cr_assert_str_eq(after->subject, "main");
    cr_assert_str_eq(after->from, "0.25");
    cr_assert_str_eq(after->to, "30");
    cr_assert_str_eq(after->result, "ok");
    cr_assert_eq(strncmp(after->reason, "said \"go\"\n\xc3\xa9 ", 13), 0);
    add_many(6, 6);
    again();
    cr_assert_str_eq(events_get(&events, 6)->reason, "number 6");
    cr_assert_eq(count_lines(""), 6);
}

Test(journal, the_newest_come_back_and_files_are_renewed)
{
    what = "health"; /* not synced */
    add_many(1, 12000);
    assert_numbers(12000);
    again();
    assert_numbers(12000);
    cr_assert(file_exists(path(".1")));
    cr_assert(file_exists(path("")));
    add_many(12001, 24000);
    again();
    assert_numbers(24000);
    struct stat status;
    for (unsigned i = 0; i < 3; i++) {
        static const char *const endings[] = {"", ".1", ".2"};
        cr_assert_eq(stat(path(endings[i]), &status), 0);
        cr_assert_leq(status.st_size, JOURNAL_FILE_BYTES);
    }
    cr_assert_not(file_exists(path(".3")));
}

Test(journal, what_somebody_did_is_synced_and_what_happened_is_not)
{
    struct event flip = {.actor = "cutover", .what = "health", .result = "ok"};
    unsigned before;

    add("first");
    before = trap.syncs;
    events_add(&events, flip);
    cr_assert_eq(trap.syncs, before);
    add("second");
    cr_assert_eq(trap.syncs, before + 1);
}

Test(journal, a_last_line_that_was_cut_short_is_dropped)
{
    static const char *const ends[] = {
        "{\"id\":4,\"at\":\"2026", "{\"id\":4}\n", "@@@", "\n",
        "{\"id\":4,\"at\":\"2026-11-20T10:01:02.345Z\",\"actor\":\"a\"}"};

    for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
        add_many(3 * i + 1, 3 * i + 3);
        end();
        append_bytes("", ends[i]);
        cr_assert(begin(), "%s", error.text);
        assert_numbers(3 * (i + 1));
        cr_assert_eq(count_lines(""), 3 * (i + 1));
        cr_assert_not(file_exists(path(".bad")));
    }
}

Test(journal, lines_that_are_nothing_are_skipped)
{
    add_many(1, 3);
    end();
    append_bytes("", "not json\n{}\n[1]\n{\"id\":-4}\n\n{\"id\":99999999999999999999}\n"
                     "{\"id\":7,\"at\":\"yesterday\"}\n");
    append_bytes(
        "", "{\"id\":2,\"at\":\"2026-11-20T10:01:02.345Z\",\"actor\":\"a\",\"what\":\"w\","
            "\"subject\":\"\",\"from\":\"\",\"to\":\"\",\"reason\":\"again\",\"result\":\"ok\"}\n");
    cr_assert(begin(), "%s", error.text);
    assert_numbers(3);
    add_many(4, 4);
    again();
    assert_numbers(4);
}

Test(journal, lines_that_would_be_no_json_or_no_stream_are_skipped)
{
    static const char *const parts[][2] = {
        {"weight", "1,\\\"x\\\":2"}, {"rollback", "ready"}, {"weight", "1."}, {"weight", ".5"},
        {"weight", "1.5.2"},         {"w\\ndata: x", ""},   {"w\\u0000", ""}, {"", ""},
    };

    add_many(1, 3);
    end();
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char line[512];

        snprintf(
            line, sizeof(line),
            "{\"id\":%zu,\"at\":\"2026-11-20T10:01:02.345Z\",\"actor\":\"a\",\"what\":\"%s\","
            "\"subject\":\"\",\"from\":\"%s\",\"to\":\"\",\"reason\":\"\",\"result\":\"ok\"}\n",
            i + 4, parts[i][0], parts[i][1]);
        append_bytes("", line);
    }
    cr_assert(begin(), "%s", error.text);
    assert_numbers(3);
}

Test(journal, a_gap_in_the_ids_is_no_event)
{
    add_many(1, 1);
    end();
    append_bytes(
        "", "{\"id\":9,\"at\":\"2026-11-20T10:01:02.345Z\",\"actor\":\"a\",\"what\":\"w\","
            "\"subject\":\"\",\"from\":\"\",\"to\":\"\",\"reason\":\"nine\",\"result\":\"ok\"}\n");
    cr_assert(begin(), "%s", error.text);
    cr_assert_eq(events.next_id, 10);
    cr_assert_str_eq(events_get(&events, 9)->reason, "nine");
    cr_assert_eq(events_get(&events, 9)->wall_ms, 1795168862345);
    cr_assert_null(events_get(&events, 5));
}

Test(journal, a_file_without_any_event_is_put_aside)
{
    static const char *const contents[] = {"somebody's\nletter\n", "one\n"};

    for (unsigned i = 0; i < ARRAY_LEN(contents); i++) {
        end();
        file_write(path(""), str_of(contents[i]));
        cr_assert(begin(), "%s", error.text);
        cr_assert_eq(events.next_id, 1);
        cr_assert(file_exists(path(".bad")));
        add("works");
        cr_assert_eq(count_lines(""), 1);
    }
}

Test(journal, a_file_that_is_too_large_is_put_aside)
{
    end();
    cr_assert_eq(truncate(path(""), (off_t)JOURNAL_READ_BYTES + 1), 0);
    cr_assert(begin(), "%s", error.text);
    cr_assert(file_exists(path(".bad")));
    add("works");
    cr_assert_not(events.is_behind);
}

Test(journal, a_name_that_is_taken_is_an_error_and_tried_again)
{
    end();
    unlink(path(""));
    cr_assert_eq(symlink("/etc/passwd", path("")), 0);
    cr_assert_not(begin());
    cr_assert_not_null(strstr(error.text, "symbolic link"), "%s", error.text);
    add_many(1, 3);
    cr_assert(events.is_behind);
    cr_assert_not_null(events_get(&events, 3), "memory has it all the same");
    unlink(path(""));
    events_sync(&events);
    cr_assert_not(events.is_behind);
    again();
    assert_numbers(3);
    end();
    unlink(path(""));
    cr_assert_eq(mkfifo(path(""), 0600), 0);
    cr_assert_not(begin());
    cr_assert_not_null(strstr(error.text, "not a regular file"), "%s", error.text);
    end();
    unlink(path(""));
    cr_assert_eq(mkdir(path(""), 0700), 0);
    cr_assert_not(begin());
    add("in memory");
    cr_assert(events.is_behind);
}

Test(journal, a_file_that_could_not_be_read_at_the_start_is_not_mixed_with)
{
    add_many(1, 5);
    end();
    cr_assert_eq(rename(path(""), path(".hidden")), 0);
    cr_assert_eq(mkdir(path(""), 0700), 0);
    cr_assert_not(begin());
    add("new life");
    cr_assert_eq(rmdir(path("")), 0);
    cr_assert_eq(rename(path(".hidden"), path("")), 0);
    events_sync(&events);
    cr_assert_not(events.is_behind);
    cr_assert_eq(count_lines(".bad"), 5);
    again();
    cr_assert_eq(events.next_id, 2);
    cr_assert_str_eq(events_get(&events, 1)->reason, "new life");
}

Test(journal, a_full_disk_loses_nothing)
{
    add_many(1, 2);
    trap.error = ENOSPC;
    for (unsigned i = 3; i <= 8; i++) {
        trap.countdown = 1;
        add_many(i, i);
        cr_assert(events.is_behind);
    }
    assert_numbers(8);
    cr_assert_eq(count_lines(""), 2);
    trap.countdown = 0;
    events_sync(&events);
    cr_assert_not(events.is_behind);
    again();
    assert_numbers(8);
}

Test(journal, half_a_line_is_taken_off_again)
{
    add_many(1, 2);
    trap.countdown = 1;
    trap.is_short = true;
    trap.error = ENOSPC;
    add_many(3, 3);
    cr_assert(events.is_behind);
    cr_assert_eq(count_lines(""), 2);
    add_many(4, 4);
    cr_assert_not(events.is_behind);
    again();
    assert_numbers(4);
}

Test(journal, a_file_that_was_removed_or_moved_is_made_anew)
{
    add_many(1, 2);
    cr_assert_eq(rename(path(""), path(".moved")), 0);
    add_many(3, 3);
    cr_assert_eq(count_lines(""), 1);
    cr_assert_eq(count_lines(".moved"), 2);
    unlink(path(""));
    add_many(4, 4);
    cr_assert_eq(count_lines(""), 1);
    cr_assert_not(events.is_behind);
}

/* Adds until it dies; what it has added before is told through a pipe. */
static void fill_and_die(unsigned countdown, int told)
{
    uint64_t id;

    /* Just below the size at which files change, quickly. */
    what = "health";
    while (journal.size_bytes + 1000 < JOURNAL_FILE_BYTES)
        add_many((unsigned)events.next_id, (unsigned)events.next_id);
    what = "weight";
    trap.dies = true;
    trap.countdown = countdown;
    for (;;) {
        id = events.next_id - 1;
        if (syscall(SYS_write, told, &id, sizeof(id)) < 0)
            _exit(1);
        id++;
        add_many((unsigned)id, (unsigned)id);
    }
}

Test(journal, killed_at_any_point_it_misses_nothing, .timeout = 120)
{
    /* around the change of a file: each line is a write and a sync */
    for (unsigned countdown = 1; countdown <= 24; countdown++) {
        uint64_t id = 0, last = 0;
        int pipes[2], status;

        end();
        tempdir_remove(&dir);
        tempdir_make(&dir);
        cr_assert(begin(), "%s", error.text);
        cr_assert_eq(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0)
            fill_and_die(countdown, pipes[1]);
        close(pipes[1]);
        while (read(pipes[0], &id, sizeof(id)) == sizeof(id))
            last = id;
        close(pipes[0]);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(WEXITSTATUS(status), TRAP_DIED);
        again();
        cr_assert_geq(events.next_id, last + 1, "countdown %u", countdown);
        cr_assert_leq(events.next_id, last + 2, "countdown %u", countdown);
        assert_numbers(events.next_id - 1);
        add_many((unsigned)events.next_id, (unsigned)events.next_id);
        cr_assert_not(events.is_behind);
    }
}
