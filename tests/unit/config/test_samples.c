/*
 * test_samples.c - the files in conf/ must stay true: they load, and what the reference says is a
 * default is the default.
 */
#include "parse.h"
#include "pem.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char conf_folder[PATH_MAX];

static void set_up_files(void)
{
    /* Beside this file, wherever the tests were built. */
    struct str file = STR(__FILE__);
    char path[1024];
    (void)snprintf(path, sizeof(path), "%.*s../../../conf",
                   (int)(file.len - strlen("test_samples.c")), file.data);
    cr_assert_not_null(realpath(path, conf_folder), "%s", path);
    set_up();
    pem_set_up(); /* for the authorities that https:// needs; changes the folder */
}

static void tear_down_files(void)
{
    pem_tear_down();
    tear_down();
}

TestSuite(samples, .init = set_up_files, .fini = tear_down_files);

static const char *const SAMPLES[] = {"cutover.yaml", "railway-to-lightsail.yaml",
                                      "railway-to-ecs-alb.yaml", "railway-to-alibaba.yaml"};

static const char *conf_path(const char *name, char path[PATH_MAX + 64])
{
    (void)snprintf(path, PATH_MAX + 64, "%s/%s", conf_folder, name);
    return path;
}

static void read_conf(const char *name, struct buf *text)
{
    char path[PATH_MAX + 64];
    int fd = open(conf_path(name, path), O_RDONLY);
    cr_assert_geq(fd, 0, "%s", path);
    ssize_t got;
    while ((got = read(fd, buf_reserve(text, 4096), 4096)) > 0)
        buf_commit(text, (size_t)got);
    close(fd);
}

/* A sample may name files that only its user has. */
static bool is_missing_file(const struct config_problem *problem)
{
    return (str_starts_with(problem->text, STR("the file \"")) ||
            str_starts_with(problem->text, STR("the folder \""))) &&
           strstr(problem->text.data, "No such file or directory") != NULL;
}

Test(samples, the_samples_load)
{
    char path[PATH_MAX + 64];
    setenv("PORT", "8080", 1);
    unsetenv("INITIAL_WEIGHT");
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++) {
        struct buf out = BUF_EMPTY;
        struct config *config = config_load(conf_path(SAMPLES[i], path), &problems);
        config_problems_format(&problems, &out);
        for (unsigned j = 0; j < problems.count; j++)
            cr_assert(is_missing_file(&problems.items[j]), "%.*s", STR_ARG(buf_str(&out)));
        buf_deinit(&out);
        config_unref(config);
        tear_down();
        set_up();
    }
}

/* A line of cutover.yaml: "#key: default" (or "#  key: default"), "#?example". */
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
    cr_assert_eq(a->log.emf_ms, b->log.emf_ms);
    cr_assert_eq(a->plan.is_auto, b->plan.is_auto);
    cr_assert_eq(b->plan.step_count, 0u);
    cr_assert_eq(memcmp(&a->plan.guard, &b->plan.guard, sizeof(a->plan.guard)), 0);
}

static void assert_same_texts(const struct config *a, const struct config *b)
{
    cr_assert(str_eq(a->admin.text, b->admin.text));
    cr_assert_eq(b->admin.pair_count, 0u);
    cr_assert(str_eq(a->forwarded.secret_header, b->forwarded.secret_header));
    cr_assert_eq(b->forwarded.secret.len + b->forwarded.client_ip_header.len, 0u);
    cr_assert(str_eq(a->override.header, b->override.header));
    cr_assert(str_eq(a->sticky.cookie.name, b->sticky.cookie.name));
    cr_assert(str_eq(a->sticky.cookie.path, b->sticky.cookie.path));
    cr_assert_eq(a->sticky.cookie.max_age_s, b->sticky.cookie.max_age_s);
    cr_assert_eq(a->sticky.cookie.same_site, b->sticky.cookie.same_site);
    cr_assert_eq(a->sticky.secure_auto, b->sticky.secure_auto);
    cr_assert_eq(a->sticky.keep_on_raise, b->sticky.keep_on_raise);
    cr_assert_eq(a->sticky.keep_on_lower, b->sticky.keep_on_lower);
    cr_assert_eq(a->sticky.chain_count, b->sticky.chain_count);
    cr_assert_eq(b->listen[0].pair_count + b->listen[0].redirect_https, 0u);
    cr_assert_eq(b->listen[0].proxy_protocol, a->listen[0].proxy_protocol);
    cr_assert_eq(b->listen[0].acme_webroot.len, 0u);
    for (int side = 0; side < SIDES; side++) {
        cr_assert_eq(a->backends[side].tls.verify, b->backends[side].tls.verify);
        cr_assert_eq(a->backends[side].host, b->backends[side].host);
        cr_assert_eq(b->backends[side].tls.name_count, 0u);
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
    cr_assert_gt(uncommented, 75u);
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
    cr_assert_eq(config->route_count, 4u);
    cr_assert(config->routes[2].asks_other);
    cr_assert_eq(config_plan(config, STR("main"))->step_count, 4u);
    cr_assert_eq(config_plan(config, STR("search"))->step_count, 2u);
    config_unref(config);
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
