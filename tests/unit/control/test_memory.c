/* memory against its limits: what is read, what is decided, what is told. */
#include "control/memory.h"

#include <criterion/criterion.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "control/controller.h"
#include "tempdir.h"

static struct tempdir dir;
static char path[512];

static void setup(void)
{
    tempdir_make(&dir);
}

static void teardown(void)
{
    tempdir_remove(&dir);
}

TestSuite(memory, .init = setup, .fini = teardown);

/* Deciding */

Test(memory, short_from_90_percent_until_85)
{
    cr_expect_not(memory_is_short(false, 899, 1000));
    cr_expect(memory_is_short(false, 900, 1000));
    cr_expect(memory_is_short(true, 850, 1000), "it does not flap");
    cr_expect_not(memory_is_short(true, 849, 1000));
    cr_expect(memory_is_short(false, UINT64_MAX, UINT64_C(1) << 59));
    cr_expect_not(memory_is_short(false, UINT64_MAX, 0), "no limit");
    cr_expect_not(memory_is_short(true, 1, 0), "no limit any more");
}

Test(memory, limits_are_bytes_or_none)
{
    cr_expect_eq(memory_parse_limit(STR("536870912\n")), 536870912);
    cr_expect_eq(memory_parse_limit(STR("536870912")), 536870912);
    cr_expect_eq(memory_parse_limit(STR("max\n")), 0);
    cr_expect_eq(memory_parse_limit(STR("9223372036854771712\n")), 0, "none, as v1 says it");
    cr_expect_eq(memory_parse_limit(STR("")), 0);
    cr_expect_eq(memory_parse_limit(STR("12k\n")), 0);
}

/* Reading */

/* `name` below the folder, with the folders that lead to it. */
static void put(const char *name, const char *text)
{
    char full[256];

    snprintf(full, sizeof(full), "%s/%s", dir.path, name);
    for (char *slash = strchr(full + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    file_write(full, str_of(text));
}

static uint64_t limit_of(const char *cgroups)
{
    return memory_cgroup_limit(dir.path, str_of(cgroups), path, sizeof(path));
}

static void expect_path(const char *name)
{
    char full[256];

    snprintf(full, sizeof(full), "%s/%s", dir.path, name);
    cr_expect_str_eq(path, full);
}

Test(memory, the_cgroups_own_limit)
{
    put("app.slice/web.service/memory.max", "268435456\n");
    put("app.slice/memory.max", "max\n");
    cr_expect_eq(limit_of("0::/app.slice/web.service\n"), 268435456);
    expect_path("app.slice/web.service/memory.max");
}

Test(memory, the_least_on_the_way_up_counts)
{
    put("app.slice/web.service/memory.max", "268435456\n");
    put("app.slice/memory.max", "134217728\n");
    cr_expect_eq(limit_of("0::/app.slice/web.service\n"), 134217728);
    expect_path("app.slice/memory.max");
}

Test(memory, in_a_container_the_upper_part_of_the_path_is_not_there)
{
    put("memory.max", "67108864\n");
    cr_expect_eq(limit_of("0::/docker/0123456789abcdef\n"), 67108864);
    expect_path("memory.max");
    cr_expect_eq(limit_of("0::/\n"), 67108864);
    expect_path("memory.max");
}

Test(memory, version_1_has_a_tree_for_memory_alone)
{
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/docker/ab/memory.limit_in_bytes", "33554432\n");
    put("docker/cd/memory.max", "1\n"); /* of another path */
    cr_expect_eq(limit_of("12:cpu,cpuacct:/x\n5:hugetlb,memory:/docker/ab\n0::/\n"), 33554432);
    expect_path("memory/docker/ab/memory.limit_in_bytes");
}

Test(memory, both_versions_at_once)
{
    put("memory/memory.limit_in_bytes", "33554432\n");
    put("unified/a/memory.max", "16777216\n");
    cr_expect_eq(limit_of("4:memory:/\n0::/a\n"), 16777216);
    expect_path("unified/a/memory.max");
}

Test(memory, what_is_no_list_of_cgroups_has_no_limit)
{
    static const char *const texts[] = {"", "\n", "0", "0:", "0::", "::::", "0::/../..", "a:b:c"};

    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        cr_expect_eq(limit_of(texts[i]), 0, "%s", texts[i]);
        cr_expect_str_eq(path, "");
    }
}

/* Watching */

static uint64_t resident(void)
{
    unsigned long total = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    cr_assert_eq(fscanf(file, "%lu %lu", &total, &pages), 2);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void set_limit(struct controller *controller, uint64_t bytes)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)bytes);
    put("memory.max", text);
    snprintf(controller->memory.limit_path, sizeof(controller->memory.limit_path), "%s/memory.max",
             dir.path);
}

Test(memory, a_shortage_is_told_when_it_begins_and_when_it_ends)
{
    struct controller *controller = mem_zalloc(1, sizeof(*controller));
    _Atomic bool is_short = false;

    events_init(&controller->events);
    controller->short_of_memory = &is_short;
    controller_watch_memory(controller);
    set_limit(controller, 100 * resident());
    controller_watch_memory(controller);
    cr_expect_not(is_short);
    cr_expect_eq(controller->events.next_id, 1, "nothing to tell");

    set_limit(controller, resident());
    controller_watch_memory(controller);
    cr_expect(is_short);
    const struct event *event = events_get(&controller->events, 1);
    cr_assert_not_null(event);
    cr_expect_str_eq(event->what, "memory");
    cr_expect_str_eq(event->to, "short");
    controller_watch_memory(controller);
    cr_expect_eq(controller->events.next_id, 2, "once");

    set_limit(controller, 100 * resident());
    controller_watch_memory(controller);
    cr_expect_not(is_short);
    event = events_get(&controller->events, 2);
    cr_assert_not_null(event);
    cr_expect_str_eq(event->to, "enough");

    events_deinit(&controller->events);
    mem_free(controller);
}
