/*
 * config.c - the way in: a file or a text becomes a config or a list of problems; and what may
 * change while the proxy runs.
 *
 *     file -> bytes (bounded) -> yaml_read -> schema_map_read(CONFIG_MAP) -> config
 *
 * The tree lives in an arena of its own and is gone when config_parse returns: whatever the config
 * keeps was copied into the config's arena by the readers.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "config/keys.h"

#define READ_BYTES 16384

/* ---- life ---- */

static struct config *config_new(const char *path)
{
    struct config *config = mem_zalloc(1, sizeof(*config));
    arena_init(&config->arena);
    atomic_init(&config->refs, 1);
    config->path = arena_str(&config->arena, str_of(path));
    return config;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    /* The last one must see all that the others did before they let go. */
    if (config != NULL && atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) == 1) {
        arena_deinit(&config->arena);
        mem_free(config);
    }
}

/* ---- reading ---- */

static void name_file(struct config_problems *problems, const char *path)
{
    struct buf quoted = BUF_EMPTY;
    json_escape(&quoted, str_of(path)); /* whole: it is where to look */
    problems->file = arena_str(&problems->arena, buf_str(&quoted));
    buf_deinit(&quoted);
}

struct config *config_parse(struct str text, const char *path, struct config_problems *problems)
{
    struct arena tree;
    arena_init(&tree);
    name_file(problems, path);

    struct config *config = NULL;
    unsigned problems_before = problems->count + problems->left_out;
    const struct yaml_node *top = yaml_read(text, &tree, problems);
    if (top != NULL) {
        config = config_new(path);
        struct schema schema = {.arena = &config->arena, .problems = problems};
        (void)schema_map_read(&schema, top, &CONFIG_MAP, config, true);
    }
    arena_deinit(&tree);
    if (problems->count + problems->left_out > problems_before) {
        config_unref(config);
        return NULL;
    }
    return config;
}

/* One byte more than is allowed, so that yaml_read sees that the file is too large. */
static bool read_bounded(int fd, struct buf *bytes)
{
    while (buf_len(bytes) <= CONFIG_FILE_MAX_BYTES) {
        ssize_t got = read(fd, buf_reserve(bytes, READ_BYTES), READ_BYTES);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        buf_commit(bytes, got > 0 ? (size_t)got : 0);
    }
    return true;
}

static bool read_file(const char *path, struct buf *bytes, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot open the file");
    bool good = read_bounded(fd, bytes) || error_set_errno(error, errno, "cannot read the file");
    (void)close(fd);
    return good;
}

struct config *config_load(const char *path, struct config_problems *problems)
{
    struct buf bytes = BUF_EMPTY;
    struct error error;
    struct config *config = NULL;
    if (read_file(path, &bytes, &error)) {
        config = config_parse(buf_str(&bytes), path, problems);
    } else {
        name_file(problems, path);
        config_problems_add(problems, 0, 0, STR(""), "%s", error.text);
    }
    buf_deinit(&bytes);
    return config;
}

/* ---- reloading ---- */

static bool same_listeners(const struct config *a, const struct config *b)
{
    if (a->listen_count != b->listen_count)
        return false;
    for (unsigned i = 0; i < a->listen_count; i++)
        if (!addr_eq(&a->listen[i].address, &b->listen[i].address))
            return false;
    return true;
}

bool config_can_replace(const struct config *now, const struct config *next, struct error *error)
{
    const struct {
        const char *key;
        bool is_same;
    } fixed[] = {
        {"listen[].address", same_listeners(now, next)},
        {"admin.address", addr_eq(&now->admin.address, &next->admin.address)},
        {"state_file", str_eq(now->state_file, next->state_file)},
        {"workers", now->workers == next->workers},
        {"log.file", str_eq(now->log.file, next->log.file)},
    };
    for (unsigned i = 0; i < ARRAY_LEN(fixed); i++) {
        if (!fixed[i].is_same) {
            return error_set(error, "%s cannot change while the proxy runs: restart it",
                             fixed[i].key);
        }
    }
    if ((now->admin.pair_count > 0) != (next->admin.pair_count > 0)) {
        return error_set(error, "admin.tls can change while the proxy runs, but neither come nor "
                                "go: restart it");
    }
    return true;
}

const struct plan *config_plan(const struct config *config, struct str route)
{
    if (str_is_empty(route) || str_eq(route, STR(ROUTE_MAIN)))
        return config->plan.step_count == 0 ? NULL : &config->plan;
    for (unsigned i = 0; i < config->route_plan_count; i++)
        if (str_eq(config->routes[config->route_plans[i].route].name, route))
            return &config->route_plans[i].plan;
    return NULL;
}
