/* test_store.c - the state file: what is read is always the old or the new state, whatever broke.
 *
 * A trap (trap.h) makes the n-th of the calls that change the disk fail, or ends the process in front
 * of it, so that every gap between two of them is tried.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "control/store.h"
#include "tempdir.h"
#include "trap.h"

/* One store in a folder of its own. */

static struct tempdir dir;
static struct store store;
static struct state state;
static struct arena arena;
static struct error error;

static void setup(void)
{
    tempdir_make(&dir);
    arena_init(&arena);
    cr_assert(store_open(&store, tempdir_file(&dir, "state.json"), &error), "%s", error.text);
}

static void teardown(void)
{
    store_close(&store);
    arena_deinit(&arena);
    tempdir_remove(&dir);
}

TestSuite(store, .init = setup, .fini = teardown, .timeout = 60);

static void reopen(void)
{
    store_close(&store);
    cr_assert(store_open(&store, tempdir_file(&dir, "state.json"), &error), "%s", error.text);
}

static enum store_found read_again(void)
{
    reopen();
    return store_read(&store, &state, &arena, &error);
}

/* A state in which every value tells which one it is. */
static struct state numbered(unsigned number)
{
    struct state made = {
        .changed_ms = number,
        .weight = number,
        .route_count = 2,
        .routes = {{STR("products"), number}, {STR("a \"quoted\"\nname"), number + 1}},
        .admin = {ADMIN_MAINT, ADMIN_DRAIN},
        .actor = STR("10.0.0.1"),
        .reason = STR("\xc3\xa4 reason"),
        .what = STR("weight"),
        .route = STR("products"),
        .from = number + 2,
        .to = number + 3,
    };
    return made;
}

static void save(unsigned number)
{
    struct state made = numbered(number);

    cr_assert(store_write(&store, &made, &error), "%s", error.text);
}

static void expect_numbered(unsigned number)
{
    struct state made = numbered(number);

    cr_assert_eq(state.weight, number, "weight %u, not %u", state.weight, number);
    cr_assert_eq(state.changed_ms, made.changed_ms);
    cr_assert_eq(state.route_count, made.route_count);
    for (unsigned i = 0; i < made.route_count; i++) {
        cr_assert(str_eq(state.routes[i].name, made.routes[i].name));
        cr_assert_eq(state.routes[i].weight, made.routes[i].weight);
    }
    cr_assert_eq(state.admin[SIDE_OLD], ADMIN_MAINT);
    cr_assert_eq(state.admin[SIDE_NEW], ADMIN_DRAIN);
    cr_assert(str_eq(state.actor, made.actor));
    cr_assert(str_eq(state.reason, made.reason));
    cr_assert(str_eq(state.what, made.what));
    cr_assert(str_eq(state.route, made.route));
    cr_assert_eq(state.from, made.from);
    cr_assert_eq(state.to, made.to);
}

static void expect_no_temp(void)
{
    cr_assert_not(file_exists(tempdir_file(&dir, "state.json.tmp")));
    cr_assert_not(file_exists(tempdir_file(&dir, "state.json.prev.tmp")));
}

/* Round trips */

Test(store, a_first_start_finds_nothing)
{
    cr_assert_eq(store_read(&store, &state, &arena, &error), STORE_NONE);
}

Test(store, what_is_written_is_read)
{
    save(123);
    cr_assert_eq(read_again(), STORE_READ);
    expect_numbered(123);
    cr_assert_eq(state.sequence, 1);
    save(124);
    cr_assert_eq(read_again(), STORE_READ);
    expect_numbered(124);
    cr_assert_eq(state.sequence, 2);
    expect_no_temp();
}

Test(store, the_sequence_is_the_callers_when_it_is_higher)
{
    struct state made = numbered(1);

    made.sequence = 41;
    cr_assert(store_write(&store, &made, &error));
    made.sequence = 7;
    cr_assert(store_write(&store, &made, &error));
    cr_assert_eq(made.sequence, 42);
    cr_assert_eq(read_again(), STORE_READ);
    cr_assert_eq(state.sequence, 42);
}

Test(store, all_routes_and_any_bytes_fit)
{
    struct state made = numbered(5);
    char name[16];

    made.reason = str_from("\xff\xfe\0\n\"\\", 6);
    for (made.route_count = 0; made.route_count < ROUTES_MAX; made.route_count++) {
        int len = snprintf(name, sizeof(name), "route%u", made.route_count);
        made.routes[made.route_count] =
            (struct state_route){arena_str(&arena, str_from(name, (size_t)len)), made.route_count};
    }
    cr_assert(store_write(&store, &made, &error));
    cr_assert_eq(read_again(), STORE_READ);
    cr_assert_eq(state.route_count, ROUTES_MAX);
    cr_assert_eq(state_route_weight(&state, STR("route62"), 0), 62);
    cr_assert_eq(state_route_weight(&state, STR("other"), 9), 9);
}

Test(store, the_files_are_for_the_owner_only)
{
    struct stat status;

    save(1);
    save(2);
    cr_assert_eq(stat(tempdir_file(&dir, "state.json"), &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    cr_assert_eq(stat(tempdir_file(&dir, "state.json.prev"), &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
}

Test(store, the_last_part_of_the_folder_is_made)
{
    struct store other;

    cr_assert(store_open(&other, tempdir_file(&dir, "new/state.json"), &error), "%s", error.text);
    store_close(&other);
    cr_assert_not(store_open(&other, tempdir_file(&dir, "a/b/state.json"), &error));
    cr_assert(strstr(error.text, "/a/b") != NULL, "%s", error.text);
}

Test(store, weights_are_told_in_percent)
{
    char text[WEIGHT_TEXT_BYTES];

    cr_assert_str_eq(weight_format(0, text), "0");
    cr_assert_str_eq(weight_format(10000, text), "100");
    cr_assert_str_eq(weight_format(25, text), "0.25");
    cr_assert_str_eq(weight_format(1005, text), "10.05");
    cr_assert_str_eq(weight_format(1050, text), "10.5");
}

/* Locks and strangers */

Test(store, a_second_process_is_refused)
{
    struct store other;

    cr_assert_not(store_open(&other, tempdir_file(&dir, "state.json"), &error));
    cr_assert(strstr(error.text, "another cutover runs") != NULL, "%s", error.text);
    cr_assert(strstr(error.text, tempdir_file(&dir, "state.json")) != NULL, "%s", error.text);
    store_close(&store);
    cr_assert(store_open(&store, tempdir_file(&dir, "state.json"), &error));
}

Test(store, leftovers_are_cleaned_up)
{
    store_close(&store);
    file_write(tempdir_file(&dir, "state.json.tmp"), STR("half"));
    file_write(tempdir_file(&dir, "state.json.prev.tmp"), STR("half"));
    cr_assert_eq(read_again(), STORE_NONE);
    expect_no_temp();
}

Test(store, symbolic_links_are_not_followed)
{
    struct buf bytes;

    buf_init(&bytes);
    file_write(tempdir_file(&dir, "victim"), STR("precious"));
    cr_assert_eq(symlink("victim", tempdir_file(&dir, "state.json.tmp")), 0);
    save(7);
    cr_assert_eq(read_again(), STORE_READ);
    file_read(tempdir_file(&dir, "victim"), &bytes);
    cr_assert(str_eq(buf_str(&bytes), STR("precious")));
    buf_deinit(&bytes);

    cr_assert_eq(rename(tempdir_file(&dir, "state.json"), tempdir_file(&dir, "real")), 0);
    cr_assert_eq(symlink("real", tempdir_file(&dir, "state.json")), 0);
    cr_assert_eq(read_again(), STORE_UNREADABLE);
}

Test(store, what_is_no_file_does_not_hang_the_start)
{
    cr_assert_eq(mkfifo(tempdir_file(&dir, "state.json"), 0600), 0);
    cr_assert_eq(read_again(), STORE_UNREADABLE);
    cr_assert(strstr(error.text, "not a regular file") != NULL, "%s", error.text);
}

/* Damage */

Test(store, a_file_cut_at_any_byte_gives_the_previous_state)
{
    struct buf whole;

    save(1);
    save(2);
    buf_init(&whole);
    file_read(tempdir_file(&dir, "state.json"), &whole);
    cr_assert_gt(buf_len(&whole), 100);
    for (size_t len = 0; len < buf_len(&whole); len++) {
        file_write(tempdir_file(&dir, "state.json"), str_slice(buf_str(&whole), 0, len));
        cr_assert_eq(read_again(), STORE_PREVIOUS, "cut at %zu", len);
        expect_numbered(1);
    }
    file_write(tempdir_file(&dir, "state.json"), buf_str(&whole));
    cr_assert_eq(read_again(), STORE_READ);
    expect_numbered(2);
    buf_deinit(&whole);
}

Test(store, any_flipped_bit_gives_the_previous_state)
{
    struct buf whole;

    save(1);
    save(2);
    buf_init(&whole);
    file_read(tempdir_file(&dir, "state.json"), &whole);
    for (size_t bit = 0; bit < 8 * buf_len(&whole); bit++) {
        char *byte = whole.data + whole.start + bit / 8;
        char before = *byte;

        *byte = (char)(before ^ (1 << bit % 8));
        file_write(tempdir_file(&dir, "state.json"), buf_str(&whole));
        *byte = before;
        cr_assert_eq(read_again(), STORE_PREVIOUS, "bit %zu", bit);
        expect_numbered(1);
    }
    buf_deinit(&whole);
}

Test(store, bytes_behind_the_end_are_damage)
{
    struct buf whole;

    save(1);
    buf_init(&whole);
    file_read(tempdir_file(&dir, "state.json"), &whole);
    buf_append_char(&whole, '\n');
    file_write(tempdir_file(&dir, "state.json"), buf_str(&whole));
    cr_assert_eq(read_again(), STORE_UNREADABLE);
    buf_deinit(&whole);
}

Test(store, a_huge_file_is_damage)
{
    cr_assert_eq(truncate(tempdir_file(&dir, "state.json"), 0), -1);
    file_write(tempdir_file(&dir, "state.json"), STR("x"));
    cr_assert_eq(truncate(tempdir_file(&dir, "state.json"), 1L << 32), 0);
    cr_assert_eq(read_again(), STORE_UNREADABLE);
    cr_assert(strstr(error.text, "larger than") != NULL, "%s", error.text);
}

Test(store, both_damaged_is_told_with_the_way_out)
{
    save(1);
    save(2);
    file_write(tempdir_file(&dir, "state.json"), STR(""));
    file_write(tempdir_file(&dir, "state.json.prev"), STR("{}\n0123456789abcdef\n"));
    cr_assert_eq(read_again(), STORE_UNREADABLE);
    cr_assert(strstr(error.text, "state.json: it is empty") != NULL, "%s", error.text);
    cr_assert(strstr(error.text, "state.json.prev: its checksum is wrong") != NULL);

    cr_assert(store_reset(&store, &error));
    cr_assert(file_exists(tempdir_file(&dir, "state.json.bad")));
    cr_assert(file_exists(tempdir_file(&dir, "state.json.prev.bad")));
    cr_assert_eq(read_again(), STORE_NONE);
}

Test(store, only_the_previous_copy_is_enough)
{
    save(1);
    save(2);
    cr_assert_eq(unlink(tempdir_file(&dir, "state.json")), 0);
    cr_assert_eq(read_again(), STORE_PREVIOUS);
    cr_assert(strstr(error.text, "does not exist") != NULL, "%s", error.text);
    expect_numbered(1);
    save(3);
    cr_assert_eq(read_again(), STORE_READ);
    expect_numbered(3);
}

Test(store, only_one_file_and_that_damaged_is_no_first_start)
{
    file_write(tempdir_file(&dir, "state.json.prev"), STR("x"));
    cr_assert_eq(read_again(), STORE_UNREADABLE);
}

Test(store, the_newer_of_two_is_told_by_its_sequence)
{
    save(1);
    save(2);
    cr_assert_eq(rename(tempdir_file(&dir, "state.json"), tempdir_file(&dir, "x")), 0);
    cr_assert_eq(rename(tempdir_file(&dir, "state.json.prev"), tempdir_file(&dir, "state.json")),
                 0);
    cr_assert_eq(rename(tempdir_file(&dir, "x"), tempdir_file(&dir, "state.json.prev")), 0);
    cr_assert_eq(read_again(), STORE_PREVIOUS);
    expect_numbered(2);
    cr_assert_eq(state.sequence, 2);
}

Test(store, a_damaged_file_never_becomes_the_previous_copy)
{
    unsigned failures = 0;

    do {
        struct state made = numbered(3);

        cr_assert(store_reset(&store, &error));
        save(1);
        save(2);
        file_write(tempdir_file(&dir, "state.json"), STR("damaged"));
        cr_assert_eq(read_again(), STORE_PREVIOUS);
        trap.sprung = false;
        trap.error = EIO;
        trap.countdown = ++failures;
        cr_assert_eq(store_write(&store, &made, &error), !trap.sprung);
        trap.countdown = 0;
        cr_assert_eq(read_again(), trap.sprung ? STORE_PREVIOUS : STORE_READ);
        expect_numbered(trap.sprung ? 1 : 3);
    } while (trap.sprung);
    cr_assert_eq(failures, 5); /* write, fsync, rename, fsync of the folder; then none */
}

/* Records that were written whole, but not by this version. */

static void write_line(const char *line)
{
    char checksum[RECORD_CHECKSUM_BYTES + 1];
    struct buf bytes;

    buf_init(&bytes);
    record_checksum(str_of(line), checksum);
    buf_printf(&bytes, "%s\n%s\n", line, checksum);
    file_write(tempdir_file(&dir, "state.json"), buf_str(&bytes));
    buf_deinit(&bytes);
}

#define LAST \
    "\"last\":{\"what\":\"\",\"route\":\"\",\"actor\":\"\",\"reason\":\"\",\"from\":0,\"to\":0}"
#define ADMIN "\"admin\":{\"old\":\"ready\",\"new\":\"ready\"}"
#define RECORD(version, sequence, weight, routes, admin, last)                               \
    "{\"version\":" version ",\"sequence\":" sequence ",\"changed_ms\":0,\"weight\":" weight \
    ",\"routes\":" routes "," admin "," last "}"

Test(store, a_record_by_hand_is_read)
{
    write_line(RECORD("1", "1", "10000", "[{\"name\":\"r\",\"weight\":5}]", ADMIN, LAST));
    cr_assert_eq(read_again(), STORE_READ, "%s", error.text);
    cr_assert_eq(state.weight, 10000);
    write_line(RECORD("1", "1", "10000", "[]", ADMIN, LAST ",\"later\":{\"x\":null}"));
    cr_assert_eq(read_again(), STORE_READ, "%s", error.text);
}

Test(store, a_newer_version_is_refused_by_name)
{
    write_line(RECORD("2", "1", "10000", "[]", ADMIN, LAST));
    cr_assert_eq(read_again(), STORE_UNREADABLE);
    cr_assert(strstr(error.text, "version 2") != NULL, "%s", error.text);
    cr_assert(strstr(error.text, "newer") != NULL, "%s", error.text);
}

Test(store, every_value_is_checked)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "7",
        "{}",
        RECORD("0", "1", "1", "[]", ADMIN, LAST),
        RECORD("\"1\"", "1", "1", "[]", ADMIN, LAST),
        RECORD("1", "-1", "1", "[]", ADMIN, LAST),
        RECORD("1", "1.5", "1", "[]", ADMIN, LAST),
        RECORD("1", "99999999999999999999", "1", "[]", ADMIN, LAST),
        RECORD("1", "1", "10001", "[]", ADMIN, LAST),
        RECORD("1", "1", "-1", "[]", ADMIN, LAST),
        RECORD("1", "1", "null", "[]", ADMIN, LAST),
        RECORD("1", "1", "1,\"weight\":1", "[]", ADMIN, LAST),
        RECORD("1", "1", "1", "{}", ADMIN, LAST),
        RECORD("1", "1", "1", "[1]", ADMIN, LAST),
        RECORD("1", "1", "1", "[{\"name\":\"r\"}]", ADMIN, LAST),
        RECORD("1", "1", "1", "[{\"name\":\"\",\"weight\":1}]", ADMIN, LAST),
        RECORD("1", "1", "1", "[{\"name\":\"r\",\"weight\":1},{\"name\":\"r\",\"weight\":1}]",
               ADMIN, LAST),
        RECORD("1", "1", "1", "[]", "\"admin\":{\"old\":\"ready\"}", LAST),
        RECORD("1", "1", "1", "[]", "\"admin\":{\"old\":\"ready\",\"new\":\"off\"}", LAST),
        RECORD("1", "1", "1", "[]", ADMIN, "\"last\":null"),
        RECORD("1", "1", "1", "[]", ADMIN, LAST) " ,",
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        write_line(wrong[i]);
        cr_assert_eq(read_again(), STORE_UNREADABLE, "accepted: %s", wrong[i]);
    }
}

/* Failures and deaths */

/* Whether the n-th call was there to fail. */
static bool write_fails_at(unsigned n, int number)
{
    struct state made = numbered(200);

    trap.sprung = false;
    trap.dies = false;
    trap.error = number;
    trap.countdown = n;
    bool written = store_write(&store, &made, &error);
    trap.countdown = 0;
    cr_assert_eq(written, !trap.sprung, "call %u", n);
    return trap.sprung;
}

Test(store, a_failure_at_any_call_keeps_the_old_state)
{
    unsigned failures = 0;

    for (;;) {
        save(99);
        save(100);
        if (!write_fails_at(failures + 1, EIO))
            break;
        failures++;
        expect_no_temp();
        cr_assert(strstr(error.text, "Input/output error") != NULL, "%s", error.text);
        cr_assert_eq(read_again(), STORE_READ, "call %u", failures);
        expect_numbered(100);
    }
    /* write, fsync, link, rename, rename, fsync of the folder */
    cr_assert_eq(failures, 6);
}

Test(store, a_first_write_that_fails_leaves_nothing)
{
    for (unsigned n = 1; n <= 4; n++) { /* write, fsync, rename, fsync of the folder */
        cr_assert(write_fails_at(n, ENOSPC));
        expect_no_temp();
        cr_assert_eq(read_again(), STORE_NONE);
    }
}

Test(store, a_disk_without_hard_links_will_do)
{
    save(1);
    save(2);
    trap.error = EPERM;
    trap.countdown = 3; /* the link */
    save(3);
    cr_assert(trap.sprung);
    cr_assert_eq(read_again(), STORE_READ);
    expect_numbered(3);
    cr_assert_eq(unlink(tempdir_file(&dir, "state.json")), 0);
    cr_assert_eq(read_again(), STORE_PREVIOUS);
    expect_numbered(2);
}

/* The exit code of a process that dies in front of the n-th call of a write. */
static int die_at(unsigned n)
{
    int status;
    pid_t child;

    store_close(&store);
    child = fork();
    if (child == 0) {
        struct state made = numbered(200);

        if (!store_open(&store, tempdir_file(&dir, "state.json"), &error) ||
            store_read(&store, &state, &arena, &error) > STORE_PREVIOUS)
            _exit(1);
        trap.dies = true;
        trap.countdown = n;
        _exit(store_write(&store, &made, &error) ? 0 : 2);
    }
    cr_assert_gt(child, 0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert(store_open(&store, tempdir_file(&dir, "state.json"), &error), "%s", error.text);
    return WEXITSTATUS(status);
}

Test(store, a_death_at_any_call_leaves_the_old_or_the_new_state)
{
    unsigned deaths = 0, old = 0;

    for (;;) {
        save(99);
        save(100);
        int code = die_at(deaths + 1);
        enum store_found found = read_again();

        cr_assert(found == STORE_READ, "death %u: %d %s", deaths, (int)found, error.text);
        if (code == 0) {
            expect_numbered(200);
            break;
        }
        cr_assert_eq(code, TRAP_DIED);
        deaths++;
        old += state.weight == 100 ? 1 : 0;
        expect_numbered(state.weight == 100 ? 100 : 200);
    }
    cr_assert_eq(deaths, 6);
    cr_assert_eq(old, 5);
}

/* Writes 1, 2, 3 ... and tells each that is on disk, until it is killed. */
static void write_for_ever(unsigned from, int told)
{
    if (!store_open(&store, tempdir_file(&dir, "state.json"), &error))
        _exit(1);
    (void)store_read(&store, &state, &arena, &error);
    for (unsigned number = from;; number = number % 9000 + 1) {
        struct state made = numbered(number);

        if (!store_write(&store, &made, &error) ||
            syscall(SYS_write, told, &made.sequence, sizeof(made.sequence)) < 0)
            _exit(2);
    }
}

Test(store, kill_nine_at_any_moment_leaves_the_old_or_the_new_state)
{
    uint64_t told_last = 0, sequence;
    unsigned killed_after_some = 0, barren = 0;

    save(1);
    for (unsigned round = 0; round < 60; round++) {
        int told[2], status;
        pid_t child;

        store_close(&store);
        cr_assert_eq(pipe(told), 0);
        child = fork();
        if (child == 0)
            write_for_ever(round + 1, told[1]);
        close(told[1]);
        /* On a busy machine a child may not even begin in this time: then the next has more. */
        usleep((500 + round * 137 % 4000) << (barren < 5 ? barren : 5));
        kill(child, SIGKILL);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFSIGNALED(status), "the child ended by itself");
        unsigned writes = 0;
        while (read(told[0], &sequence, sizeof(sequence)) == sizeof(sequence)) {
            told_last = sequence;
            writes++;
        }
        killed_after_some += writes > 0 ? 1 : 0;
        barren = writes > 0 ? 0 : barren + 1;
        close(told[0]);
        reopen();
        cr_assert_leq(store_read(&store, &state, &arena, &error), STORE_PREVIOUS, "%s", error.text);
        /* What was told is there; at most the one that was under way is there as well. */
        cr_assert_geq(state.sequence, told_last);
        cr_assert_leq(state.sequence, told_last + 1 + (told_last == 0 ? 1 : 0));
        expect_numbered(state.weight);
        told_last = state.sequence;
    }
    cr_assert_gt(killed_after_some, 10, "only %u of 60 rounds wrote at all", killed_after_some);
}

/* Full disks */

Test(store, a_file_size_limit_keeps_the_old_state)
{
    struct rlimit before, tight;
    struct state made = numbered(3);

    save(2);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 20;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
    bool written = store_write(&store, &made, &error);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    cr_assert_not(written);
    cr_assert(strstr(error.text, "File too large") != NULL, "%s", error.text);
    expect_no_temp();
    cr_assert_eq(read_again(), STORE_READ);
    expect_numbered(2);
    save(3);
    cr_assert_eq(read_again(), STORE_READ);
    expect_numbered(3);
}

/* In a mount namespace of this test alone: it goes away with the process. */
static bool mount_tiny(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tiny", path, "tmpfs", 0, "size=64k,mode=0700") == 0;
}

Test(store, a_full_disk_keeps_the_old_state)
{
    struct store full;
    struct buf filler;
    struct state made = numbered(3);

    cr_assert_eq(mkdir(tempdir_file(&dir, "disk"), 0700), 0);
    if (!mount_tiny(tempdir_file(&dir, "disk")))
        cr_skip_test("no tmpfs can be mounted here");
    cr_assert(store_open(&full, tempdir_file(&dir, "disk/state.json"), &error));
    made = numbered(2);
    cr_assert(store_write(&full, &made, &error), "%s", error.text);
    buf_init(&filler);
    memset(buf_reserve(&filler, 65536), 'x', 65536);
    int fd = open(tempdir_file(&dir, "disk/filler"), O_WRONLY | O_CREAT, 0600);
    while (write(fd, filler.data, 4096) > 0) {
    }
    close(fd);
    buf_deinit(&filler);
    made = numbered(3);
    cr_assert_not(store_write(&full, &made, &error));
    cr_assert(strstr(error.text, "No space left") != NULL, "%s", error.text);
    cr_assert_eq(store_read(&full, &state, &arena, &error), STORE_READ);
    expect_numbered(2);
    cr_assert_eq(unlink(tempdir_file(&dir, "disk/filler")), 0);
    cr_assert(store_write(&full, &made, &error), "%s", error.text);

    store_close(&full);
    umount2(tempdir_file(&dir, "disk"), MNT_DETACH);
}

Test(store, a_disk_that_can_only_be_read_is_told)
{
    struct store full;

    cr_assert_eq(mkdir(tempdir_file(&dir, "disk"), 0700), 0);
    if (!mount_tiny(tempdir_file(&dir, "disk")))
        cr_skip_test("no tmpfs can be mounted here");
    cr_assert_eq(mount(NULL, tempdir_file(&dir, "disk"), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    cr_assert_not(store_open(&full, tempdir_file(&dir, "disk/state.json"), &error));
    cr_assert(strstr(error.text, "Read-only file system") != NULL, "%s", error.text);
    umount2(tempdir_file(&dir, "disk"), MNT_DETACH);
}

Test(store, a_folder_under_the_name_is_refused_and_left_alone)
{
    struct store other;

    cr_assert_eq(mkdir(tempdir_file(&dir, "data"), 0700), 0);
    cr_assert_not(store_open(&other, tempdir_file(&dir, "data"), &error));
    cr_assert(strstr(error.text, "/data is a folder: name a file in it") != NULL, "%s", error.text);
    cr_assert_not(store_open(&other, tempdir_file(&dir, "data/"), &error));
    cr_assert_not(file_exists(tempdir_file(&dir, "data.lock")));

    cr_assert_eq(mkdir(tempdir_file(&dir, "s.prev"), 0700), 0);
    cr_assert_not(store_open(&other, tempdir_file(&dir, "s"), &error));
    cr_assert(strstr(error.text, "/s.prev is a folder") != NULL, "%s", error.text);
    cr_assert(file_exists(tempdir_file(&dir, "s.prev")));
}

/* As if somebody had removed the folder, and made it again. */
static void lose_folder(void)
{
    tempdir_remove(&dir);
    cr_assert_eq(mkdir(dir.path, 0700), 0);
}

Test(store, a_lock_that_was_deleted_is_taken_anew)
{
    struct store other;

    save(1);
    lose_folder();
    save(2);
    cr_assert_not(store_open(&other, tempdir_file(&dir, "state.json"), &error));
    cr_assert(strstr(error.text, "another cutover") != NULL, "%s", error.text);
    cr_assert_eq(read_again(), STORE_READ);
    cr_assert_eq(state.weight, 2);
}

Test(store, a_lock_that_somebody_else_has_now_fails_the_write)
{
    struct state made = numbered(2);
    struct store other;

    save(1);
    lose_folder();
    cr_assert(store_open(&other, tempdir_file(&dir, "state.json"), &error), "%s", error.text);
    cr_assert_not(store_write(&store, &made, &error));
    cr_assert(strstr(error.text, "another cutover") != NULL, "%s", error.text);
    cr_assert_not(file_exists(tempdir_file(&dir, "state.json")));

    /* It was here for a while and is gone: what we write then is newer than what it left. */
    struct state theirs = numbered(70);
    theirs.sequence = 5000;
    cr_assert(store_write(&other, &theirs, &error), "%s", error.text);
    cr_assert(store_write(&other, &theirs, &error), "%s", error.text);
    store_close(&other);
    save(3);
    cr_assert_gt(store.sequence, 5001);
    cr_assert_eq(read_again(), STORE_READ);
    cr_assert_eq(state.weight, 3);
}

Test(store, a_folder_that_was_deleted_is_an_error_and_no_crash)
{
    struct state made = numbered(1);

    tempdir_remove(&dir);
    cr_assert_not(store_write(&store, &made, &error));
    cr_assert(strstr(error.text, "No such file") != NULL, "%s", error.text);
}
