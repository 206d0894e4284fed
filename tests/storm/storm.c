/*
 * storm.c - the program: storm [SECONDS [SEED [CLIENTS]]]
 *
 * Starts origins, clients and noise once, then lives of the proxy one after the other until the time
 * is over, ends everything, and says what was done. Exit 0 when nothing was wrong. A sanitizer's
 * report makes it fail by itself.
 */
#include "storm.h"

#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "certs.h"
#include "clients.h"
#include "http/parser.h"
#include "life.h"
#include "noise.h"
#include "origin.h"
#include "texts.h"

#define FAULTS_TOLD 20
#define LIFE_MS     1200

struct counts counts;
struct doors doors;

static _Atomic unsigned faults;
static _Atomic bool is_over;
static char folder[] = "/tmp/cutover-storm-XXXXXX";

/* ---- dice ---- */

struct dice dice_of(uint64_t number)
{
    struct dice dice = {number * 0x9e3779b97f4a7c15u + 1};

    dice_throw(&dice);
    return dice;
}

uint64_t dice_throw(struct dice *dice)
{
    uint64_t x = dice->state += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

unsigned dice_below(struct dice *dice, unsigned limit)
{
    return limit == 0 ? 0 : (unsigned)(dice_throw(dice) % limit);
}

bool dice_is(struct dice *dice, unsigned percent)
{
    return dice_below(dice, 100) < percent;
}

/* ---- faults, time, files ---- */

void storm_fault(const char *format, ...)
{
    char text[1024];
    va_list arguments;

    if (atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed) >= FAULTS_TOLD)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "storm: fault: %s\n", text);
}

unsigned storm_faults(void)
{
    return atomic_load_explicit(&faults, memory_order_relaxed);
}

void storm_sleep_us(unsigned us)
{
    struct timespec time = {us / 1000000, (long)(us % 1000000) * 1000};

    nanosleep(&time, NULL);
}

uint64_t storm_now_ms(void)
{
    return clock_mono_ms();
}

bool storm_is_over(void)
{
    return atomic_load_explicit(&is_over, memory_order_relaxed);
}

char *storm_file(const char *name)
{
    struct buf path = BUF_EMPTY;

    buf_printf(&path, "%s/%s", folder, name);
    char *text = str_dup(buf_str(&path));
    buf_deinit(&path);
    return text;
}

static void remove_folder(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    if (system(command) != 0)
        storm_fault("cannot remove %s", folder);
}

/* ---- places and doors ---- */

const char *storm_ip(enum place place)
{
    static _Thread_local char text[32];
    unsigned pid = (unsigned)getpid();

    snprintf(text, sizeof(text), "127.%u.%u.%d", 1 + pid / 250 % 250, 1 + pid % 250, place);
    return text;
}

struct addr storm_addr(enum place place, uint16_t port)
{
    struct addr addr;

    CHECK(addr_parse_ip(str_of(storm_ip(place)), port, &addr));
    return addr;
}

uint16_t door_port(enum door door)
{
    return atomic_load_explicit(&doors.ports[door], memory_order_relaxed);
}

unsigned doors_season(void)
{
    return atomic_load_explicit(&doors.season, memory_order_relaxed);
}

bool doors_are_calm_since(unsigned season)
{
    return season % 2 == 1 && doors_season() == season;
}

/* ---- the whole ---- */

static unsigned count_fds(void)
{
    DIR *open_fds = opendir("/proc/self/fd");
    unsigned found = 0;

    CHECK(open_fds != NULL);
    while (readdir(open_fds) != NULL)
        found++;
    closedir(open_fds);
    return found;
}

/* libuv opens a pipe for signals with its first loop, for good. */
static unsigned count_fds_at_rest(void)
{
    uv_loop_t loop;

    CHECK(uv_loop_init(&loop) == 0);
    CHECK(uv_loop_close(&loop) == 0);
    return count_fds();
}

static void live(uint64_t seed, uint64_t end_ms)
{
    for (uint64_t life = 1; storm_now_ms() < end_ms && storm_faults() < FAULTS_TOLD; life++) {
        struct dice dice = dice_of(seed * 1000 + life);
        unsigned ms = dice_below(&dice, dice_is(&dice, 30) ? LIFE_MS / 10 : LIFE_MS);

        if (life % 3 == 0)
            life_ruled(dice, ms);
        else
            life_bare(dice, ms);
    }
}

/* Each request that was answered was counted, and none that was not asked. */
static void judge_numbers(void)
{
    uint64_t asked = counted(&counts.asked), aborted = counted(&counts.aborted);
    uint64_t answered = counted(&counts.answered), by_proxy = counted(&counts.counted);

    if (by_proxy < answered || by_proxy > asked + aborted) {
        storm_fault("the proxy counted %llu requests; %llu were asked and %llu answered",
                    (unsigned long long)by_proxy, (unsigned long long)asked,
                    (unsigned long long)answered);
    }
}

static void tell(uint64_t seed, uint64_t ms)
{
    printf("storm: seed %llu, %llu ms\n", (unsigned long long)seed, (unsigned long long)ms);
#define X(name, text) printf("%10llu %s\n", (unsigned long long)counted(&counts.name), text);
    COUNTS(X)
#undef X
    printf("answers of the proxy's own:\n");
    clients_tell();
    if (storm_faults() == 0)
        printf("storm: calm\n");
    else
        printf("storm: %u faults\n", storm_faults());
}

static void blow(uint64_t seed, unsigned clients, uint64_t end_ms)
{
    certs_write("app", "DNS:" NAME_APP);
    certs_write("other", "DNS:" NAME_OTHER);
    certs_write("origin", "DNS:" HOST_EVEN ",DNS:" HOST_ODD);
    origin_start(seed * 1000000);
    noise_start(seed * 3000000);
    clients_start(seed * 2000000, clients);
    live(seed, end_ms);
    atomic_store(&is_over, true);
    clients_join();
    noise_stop();
    origin_stop();
    noise_judge();
    judge_numbers();
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned clients = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 12;
    uint64_t start_ms = storm_now_ms();

    signal(SIGPIPE, SIG_IGN);
    alarm(seconds * 3 + 180); /* whatever hangs */
    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(parser_self_test());
    CHECK(mkdtemp(folder) != NULL);
    unsigned fds = count_fds_at_rest();
    blow(seed, clients, start_ms + (uint64_t)seconds * 1000);
    storm_sleep_us(100000); /* abandoned look-ups */
    if (count_fds() != fds)
        storm_fault("%u descriptors are open, and were %u at the start", count_fds(), fds);
    remove_folder();
    tell(seed, storm_now_ms() - start_ms);
    return storm_faults() == 0 ? 0 : 1;
}
