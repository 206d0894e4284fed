/*
 * noise.c - the log file moves all the time, as rotation does it:
 *
 *     rename storm.log -> storm.log.N, log_reopen -> a new storm.log
 */
#include "noise.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/log.h"
#include "net/lookup.h"
#include "storm.h"

#define SPEAKERS 3

struct speaker {
    pthread_t thread;
    struct dice dice;
    unsigned number;
    uint64_t said;    /* lines */
    uint64_t counted; /* afterwards, by noise_judge: the highest number found */
    uint64_t found;
};

static struct {
    struct speaker speakers[SPEAKERS];
    pthread_t looker;
    struct dice looker_dice;
    _Atomic bool log_is_open;
    _Atomic unsigned files; /* storm.log.1 ... */
    uint64_t dropped;       /* of logs that have ended */
} noise;

/* ---- speaking ---- */

static void say_one(struct speaker *speaker)
{
    speaker->said++;
    log_event(LOG_INFO, "noise", LOG_U64("speaker", speaker->number), LOG_U64("n", speaker->said),
              LOG_STR("text", STR("\"quoted\"\n")), LOG_BOOL("is", true),
              LOG_I64("below", -(int64_t)speaker->said));
    count(&counts.lines);
}

/* As a worker hands over its access lines: many at once. */
static void say_many(struct speaker *speaker)
{
    struct buf lines = BUF_EMPTY;

    for (unsigned i = dice_below(&speaker->dice, 50); i > 0; i--) {
        buf_printf(&lines, "{\"speaker\":%u,\"n\":%llu}\n", speaker->number,
                   (unsigned long long)++speaker->said);
        count(&counts.lines);
    }
    log_lines(buf_str(&lines));
    buf_deinit(&lines);
}

/* One of them renames, so that the files are in order; all have the file opened anew. */
static void rotate(const struct speaker *speaker)
{
    if (speaker->number != 0) {
        log_reopen();
        return;
    }
    char name[32];
    unsigned number = 1 + atomic_fetch_add_explicit(&noise.files, 1, memory_order_relaxed);
    char *now = storm_file("storm.log");

    snprintf(name, sizeof(name), "storm.log.%u", number);
    char *then = storm_file(name);
    if (rename(now, then) == 0)
        count(&counts.reopened);
    log_reopen();
    mem_free(now);
    mem_free(then);
}

static void *speak(void *data)
{
    struct speaker *speaker = data;

    while (!storm_is_over()) {
        unsigned kind = dice_below(&speaker->dice, 100);
        storm_sleep_us(dice_below(&speaker->dice, 3000));
        if (!atomic_load_explicit(&noise.log_is_open, memory_order_relaxed))
            continue;
        if (kind < 70)
            say_one(speaker);
        else if (kind < 90)
            say_many(speaker);
        else if (kind < 93)
            rotate(speaker);
        else
            (void)log_dropped();
    }
    return NULL;
}

/* ---- looking up ---- */

#define ASKED_MAX 12

struct question {
    struct lookup *lookup; /* NULL: answered */
    bool is_answered;
};

static void on_answer(void *data, const struct lookup_answer *answer)
{
    struct question *question = data;

    if (question->is_answered)
        storm_fault("a look-up was answered twice");
    if (answer->count == 0 && answer->trouble[0] == '\0')
        storm_fault("a look-up without addresses and without trouble");
    question->is_answered = true;
    question->lookup = NULL;
}

static void look_for_a_while(struct dice *dice, uv_loop_t *loop)
{
    static const char *const names[] = {"slow.test", "fast.test", "bad.test", "old0.test",
                                        "slow2.test"};
    struct question questions[ASKED_MAX] = {{NULL, false}};
    struct lookups *lookups = lookups_new(loop);

    for (unsigned i = 0; i < ASKED_MAX; i++) {
        questions[i].lookup = lookup_start(lookups, names[dice_below(dice, ARRAY_LEN(names))],
                                           on_answer, &questions[i]);
        if (dice_is(dice, 30))
            uv_run(loop, UV_RUN_NOWAIT);
        if (dice_is(dice, 20))
            storm_sleep_us(dice_below(dice, 3000));
        unsigned other = dice_below(dice, i + 1);
        if (dice_is(dice, 30) && questions[other].lookup != NULL) {
            lookup_cancel(questions[other].lookup);
            questions[other].lookup = NULL;
        }
    }
    for (unsigned i = dice_below(dice, 20); i > 0; i--) {
        uv_run(loop, UV_RUN_NOWAIT);
        storm_sleep_us(1000);
    }
    for (unsigned i = 0; i < ASKED_MAX; i++) {
        if (questions[i].lookup != NULL) {
            lookup_cancel(questions[i].lookup);
            count(&counts.abandoned);
        }
    }
    lookups_free(lookups);
    uv_run(loop, UV_RUN_DEFAULT);
}

static void *look(void *data)
{
    (void)data;
    while (!storm_is_over()) {
        uv_loop_t *loop = mem_zalloc(1, sizeof(*loop));
        CHECK(uv_loop_init(loop) == 0);
        for (unsigned i = dice_below(&noise.looker_dice, 4); i > 0; i--)
            look_for_a_while(&noise.looker_dice, loop);
        CHECK(uv_loop_close(loop) == 0);
        mem_free(loop);
        storm_sleep_us(1000);
    }
    return NULL;
}

/* ---- the log ---- */

static void open_log(void)
{
    char *path = storm_file("storm.log");
    struct error error;

    if (!log_start(path, LOG_DEBUG, &error)) {
        storm_fault("%s", error.text);
        abort();
    }
    mem_free(path);
    atomic_store_explicit(&noise.log_is_open, true, memory_order_relaxed);
}

static void close_log(void)
{
    atomic_store_explicit(&noise.log_is_open, false, memory_order_relaxed);
    storm_sleep_us(2000); /* who speaks just now would speak to stderr */
    log_stop();
    noise.dropped += log_dropped();
}

void noise_restart_log(void)
{
    close_log();
    open_log();
}

void noise_start(uint64_t seed)
{
    open_log();
    for (unsigned i = 0; i < SPEAKERS; i++) {
        struct speaker *speaker = &noise.speakers[i];
        speaker->number = i;
        speaker->dice = dice_of(seed + i);
        CHECK(pthread_create(&speaker->thread, NULL, speak, speaker) == 0);
    }
    noise.looker_dice = dice_of(seed + SPEAKERS);
    CHECK(pthread_create(&noise.looker, NULL, look, NULL) == 0);
}

void noise_stop(void)
{
    for (unsigned i = 0; i < SPEAKERS; i++)
        pthread_join(noise.speakers[i].thread, NULL);
    pthread_join(noise.looker, NULL);
    close_log();
}

/* ---- judging ---- */

static void judge_line(const char *file, const char *line, size_t len)
{
    unsigned number;
    unsigned long long n;
    const char *at = strstr(line, "\"speaker\":");

    if (len < 3 || line[0] != '{' || strcmp(line + len - 2, "}\n") != 0) {
        storm_fault("%s: a line that is not whole: %.200s", file, line);
        return;
    }
    if (at == NULL || sscanf(at, "\"speaker\":%u,\"n\":%llu", &number, &n) != 2 ||
        number >= SPEAKERS)
        return; /* the proxy's own */
    struct speaker *speaker = &noise.speakers[number];
    if (n <= speaker->counted)
        storm_fault("%s: line %llu of speaker %u stands behind %llu", file, n, number,
                    (unsigned long long)speaker->counted);
    speaker->counted = n;
    speaker->found++;
}

static void judge_file(const char *name)
{
    char *path = storm_file(name);
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while (file != NULL && (len = getline(&line, &size, file)) > 0)
        judge_line(name, line, (size_t)len);
    free(line);
    if (file != NULL)
        fclose(file);
    mem_free(path);
}

void noise_judge(void)
{
    char name[32];
    uint64_t said = 0, found = 0;

    for (unsigned i = 1; i <= atomic_load(&noise.files); i++) {
        snprintf(name, sizeof(name), "storm.log.%u", i);
        judge_file(name);
    }
    judge_file("storm.log");
    for (unsigned i = 0; i < SPEAKERS; i++) {
        said += noise.speakers[i].said;
        found += noise.speakers[i].found;
    }
    /* Those who spoke as the log was started again may have been heard on stderr. */
    if (found > said || found + noise.dropped + 200 < said) {
        storm_fault("%llu log lines, %llu in the files, %llu dropped", (unsigned long long)said,
                    (unsigned long long)found, (unsigned long long)noise.dropped);
    }
}
