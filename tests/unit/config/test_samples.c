/*
 * test_samples.c - the files in conf/ must stay true: they load, and what the reference says is a
 * default is the default.
 */
#include "parse.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(samples, .init = set_up, .fini = tear_down);

static const char *const SAMPLES[] = {"cutover.yaml", "railway-to-lightsail.yaml",
                                      "railway-to-ecs-alb.yaml", "railway-to-alibaba.yaml"};

/* Beside this file, wherever the tests were built. */
static const char *conf_path(const char *name, char path[1024])
{
    struct str file = STR(__FILE__);
    size_t folder = file.len - strlen("test_samples.c");
    (void)snprintf(path, 1024, "%.*s../../../conf/%s", (int)folder, file.data, name);
    return path;
}

static void read_conf(const char *name, struct buf *text)
{
    char path[1024];
    int fd = open(conf_path(name, path), O_RDONLY);
    cr_assert_geq(fd, 0, "%s", path);
    ssize_t got;
    while ((got = read(fd, buf_reserve(text, 4096), 4096)) > 0)
        buf_commit(text, (size_t)got);
    close(fd);
}

Test(samples, the_samples_load)
{
    char path[1024];
    setenv("PORT", "8080", 1);
    unsetenv("INITIAL_WEIGHT");
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++) {
        struct buf out = BUF_EMPTY;
        struct config *config = config_load(conf_path(SAMPLES[i], path), &problems);
        config_problems_format(&problems, &out);
        cr_assert_not_null(config, "%.*s", STR_ARG(buf_str(&out)));
        buf_deinit(&out);
        config_unref(config);
    }
}

/* A line of cutover.yaml: "#key: default" (or "#  key: default"), "#!later", "#?example". */
static bool is_marked(struct str line, char mark)
{
    if (line.len < 2 || line.data[0] != '#')
        return false;
    bool is_default =
        (line.data[1] >= 'a' && line.data[1] <= 'z') || str_starts_with(line, STR("#  "));
    return mark == '#' ? is_default : line.data[1] == mark;
}

/* The reference with the lines of these marks uncommented. */
static struct config *parse_uncommented(const char *marks, unsigned *uncommented)
{
    struct buf text = BUF_EMPTY;
    struct buf out = BUF_EMPTY;
    read_conf("cutover.yaml", &text);
    struct str rest = buf_str(&text);
    *uncommented = 0;
    while (rest.len > 0) {
        ptrdiff_t end = str_find_char(rest, '\n', 0);
        size_t next = end < 0 ? rest.len : (size_t)end + 1;
        struct str line = str_slice(rest, 0, next);
        size_t cut = 0;
        for (const char *mark = marks; *mark != '\0'; mark++)
            cut = is_marked(line, *mark) ? (*mark == '#' ? 1 : 2) : cut;
        *uncommented += cut > 0 ? 1 : 0;
        buf_append_str(&out, str_slice(line, cut, line.len));
        rest = str_slice(rest, next, rest.len);
    }
    struct config *config = config_parse(buf_str(&out), "cutover.yaml", &problems);
    buf_deinit(&text);
    buf_deinit(&out);
    return config;
}

static void assert_same_numbers(const struct config *a, const struct config *b)
{
    cr_assert_eq(memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)), 0);
    cr_assert_eq(memcmp(&a->limits, &b->limits, sizeof(a->limits)), 0);
    cr_assert_eq(memcmp(&a->outlier, &b->outlier, sizeof(a->outlier)), 0);
    cr_assert_eq(memcmp(&a->rewrite, &b->rewrite, sizeof(a->rewrite)), 0);
    cr_assert_eq(a->retry.attempts, b->retry.attempts);
    cr_assert_eq(a->retry.replay_bytes, b->retry.replay_bytes);
    cr_assert_eq(a->workers, b->workers);
    cr_assert_eq(a->initial_weight, b->initial_weight);
    cr_assert_eq(a->failover, b->failover);
    cr_assert_eq(a->log.access, b->log.access);
    cr_assert_eq(a->log.slow_ms, b->log.slow_ms);
}

static void assert_same_texts(const struct config *a, const struct config *b)
{
    cr_assert(str_eq(a->admin.text, b->admin.text));
    cr_assert(str_eq(a->override.header, b->override.header));
    cr_assert(str_eq(a->sticky.cookie.name, b->sticky.cookie.name));
    cr_assert(str_eq(a->sticky.cookie.path, b->sticky.cookie.path));
    cr_assert_eq(a->sticky.cookie.max_age_s, b->sticky.cookie.max_age_s);
    cr_assert_eq(a->sticky.cookie.same_site, b->sticky.cookie.same_site);
    cr_assert_eq(a->sticky.secure_auto, b->sticky.secure_auto);
    cr_assert_eq(a->sticky.keep_on_raise, b->sticky.keep_on_raise);
    cr_assert_eq(a->sticky.keep_on_lower, b->sticky.keep_on_lower);
    cr_assert_eq(a->sticky.chain_count, b->sticky.chain_count);
    for (int side = 0; side < SIDES; side++) {
        const struct health_policy *x = &a->backends[side].health;
        const struct health_policy *y = &b->backends[side].health;
        cr_assert(str_eq(x->path, y->path));
        cr_assert_eq(memcmp(&x->interval_ms, &y->interval_ms,
                            sizeof(*x) - offsetof(struct health_policy, interval_ms)),
                     0);
    }
}

Test(samples, every_default_in_the_reference_is_the_default)
{
    unsigned uncommented;
    struct config *plain = parse_uncommented("", &uncommented);
    struct config *full = parse_uncommented("#", &uncommented);
    struct buf out = BUF_EMPTY;
    config_problems_format(&problems, &out);
    cr_assert(plain != NULL && full != NULL, "%.*s", STR_ARG(buf_str(&out)));
    cr_assert_gt(uncommented, 60u);
    assert_same_numbers(plain, full);
    assert_same_texts(plain, full);
    config_unref(plain);
    config_unref(full);
    buf_deinit(&out);
}

Test(samples, every_example_in_the_reference_loads)
{
    unsigned uncommented;
    struct config *config = parse_uncommented("?", &uncommented);
    cr_assert_not_null(config);
    cr_assert_eq(config->route_count, 2u);
    config_unref(config);
}

Test(samples, every_later_key_in_the_reference_is_known_and_refused)
{
    unsigned uncommented;
    cr_assert_null(parse_uncommented("#!", &uncommented));
    cr_assert_eq(problems.count, 7u);
    for (unsigned i = 0; i < problems.count; i++) {
        cr_assert(str_starts_with(problems.items[i].text, STR("not supported by this version yet")),
                  "%s", problems.items[i].text.data);
    }
}

/* Whatever happens to the bytes of a file: an answer, quickly, and never a crash. */
Test(samples, damaged_files_are_survived, .timeout = 60)
{
    static const char *const PIECES[] = {"[",  "{",    "]",   "}",  ":", "\n", "  ",   "- ",
                                         "${", "null", "999", "\"", "&", "*x", "\xFF", "#"};
    uint64_t seed = 1;
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++) {
        struct buf text = BUF_EMPTY;
        read_conf(SAMPLES[i], &text);
        for (int round = 0; round < 150; round++) {
            struct buf damaged = BUF_EMPTY;
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(seed >> 33) % buf_len(&text);
            size_t skip = (size_t)(seed >> 20) % 8;
            buf_append_str(&damaged, str_slice(buf_str(&text), 0, at));
            buf_append_str(&damaged, str_of(PIECES[(seed >> 45) % ARRAY_LEN(PIECES)]));
            buf_append_str(&damaged, str_slice(buf_str(&text), at + skip, buf_len(&text)));
            set_up();
            struct config *config = config_parse(buf_str(&damaged), "f", &problems);
            cr_assert_neq(config == NULL, problems.count == 0);
            config_unref(config);
            tear_down();
            buf_deinit(&damaged);
        }
        buf_deinit(&text);
    }
    set_up();
}
