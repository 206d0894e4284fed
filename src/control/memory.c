/* memory.c - reads what is used and what may be, compares, tells. */
#include "control/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* In percent of a limit. */
#define SHORT_FROM  90
#define SHORT_UNTIL 85

/* What v1 says where there is none is about 2^63; no machine has as much as this. */
#define LIMIT_MAX_BYTES (UINT64_C(1) << 60)

void memory_prepare(void)
{
    struct rlimit limit;

    /* Each further arena of the allocator reserves 64 MiB of addresses that nobody may ever use. */
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        mallopt(M_ARENA_MAX, 1);
}

struct memory_use memory_used(void)
{
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return (struct memory_use){.resident_bytes = 0};
    int found = fscanf(file, "%lu %lu", &total, &resident);
    fclose(file);
    if (found != 2)
        return (struct memory_use){.resident_bytes = 0};
    return (struct memory_use){.resident_bytes = resident * page_bytes,
                               .address_space_bytes = total * page_bytes};
}

bool memory_is_short(bool was_short, uint64_t used, uint64_t limit)
{
    uint64_t percent = was_short ? SHORT_UNTIL : SHORT_FROM;

    return limit > 0 && used >= limit / 100 * percent;
}

uint64_t memory_parse_limit(struct str text)
{
    uint64_t bytes;
    struct str line;

    if (!str_next_part(&text, '\n', &line) || !str_to_u64(line, &bytes))
        return 0; /* "max" */
    return bytes < LIMIT_MAX_BYTES ? bytes : 0;
}

static uint64_t read_limit(const char *path)
{
    char text[64];
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return 0;
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    return memory_parse_limit(str_from(text, len));
}

/* From the cgroup itself up to the root: each may have a limit. In a container the upper part of
 * the path is often not there; what is mounted as the root is the container's own then. */
static void walk_up(const char *root, const char *name, struct str cgroup, uint64_t *least,
                    char *path, size_t path_size)
{
    char tried[sizeof(((struct memory *)NULL)->limit_path)];

    for (;;) {
        const char *slash = memrchr(cgroup.data, '/', cgroup.len);
        int len = snprintf(tried, sizeof(tried), "%s%.*s/%s", root, STR_ARG(cgroup), name);
        uint64_t limit = len < (int)sizeof(tried) ? read_limit(tried) : 0;

        if (limit > 0 && (*least == 0 || limit < *least)) {
            *least = limit;
            snprintf(path, path_size, "%s", tried);
        }
        if (slash == NULL)
            return;
        cgroup.len = (size_t)(slash - cgroup.data);
    }
}

static bool has_memory(struct str controllers)
{
    struct str one;

    while (str_next_part(&controllers, ',', &one))
        if (str_eq(one, STR("memory")))
            return true;
    return false;
}

uint64_t memory_cgroup_limit(const char *root, struct str cgroups, char *path, size_t path_size)
{
    char v1[64], hybrid[64];
    uint64_t least = 0;
    struct str line;

    snprintf(v1, sizeof(v1), "%s/memory", root);
    snprintf(hybrid, sizeof(hybrid), "%s/unified", root);
    path[0] = '\0';
    while (str_next_part(&cgroups, '\n', &line)) { /* ID:CONTROLLERS:PATH */
        ptrdiff_t first = str_find_char(line, ':', 0);
        ptrdiff_t second = first < 0 ? -1 : str_find_char(line, ':', (size_t)first + 1);

        if (second < 0)
            continue;
        struct str controllers = str_slice(line, (size_t)first + 1, (size_t)second);
        struct str cgroup = str_slice(line, (size_t)second + 1, line.len);
        if (str_eq(cgroup, STR("/")))
            cgroup.len = 0;
        if (has_memory(controllers)) {
            walk_up(v1, "memory.limit_in_bytes", cgroup, &least, path, path_size);
        } else if (str_is_empty(controllers)) {
            walk_up(root, "memory.max", cgroup, &least, path, path_size);
            walk_up(hybrid, "memory.max", cgroup, &least, path, path_size);
        }
    }
    return least;
}

void memory_find_limit(struct memory *memory)
{
    char text[4096];
    FILE *file = fopen("/proc/self/cgroup", "re");

    if (file == NULL)
        return;
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    memory_cgroup_limit("/sys/fs/cgroup", str_from(text, len), memory->limit_path,
                        sizeof(memory->limit_path));
}

/* The one of the two limits that is nearer. */
static void compare(struct memory *memory, uint64_t cgroup_limit, uint64_t space_limit)
{
    bool was_short = memory->is_short;
    struct memory_use use = {.resident_bytes = 0};

    if (cgroup_limit > 0 || space_limit > 0) {
        use = memory_used();
        if (use.resident_bytes == 0)
            return; /* not to be had now: without descriptors, say */
    }
    memory->is_short = memory_is_short(was_short, use.resident_bytes, cgroup_limit);
    memory->used_bytes = use.resident_bytes;
    memory->limit_bytes = cgroup_limit;
    if (space_limit == 0)
        return;
    if (cgroup_limit == 0 || memory_is_short(was_short, use.address_space_bytes, space_limit)) {
        memory->is_short = memory_is_short(was_short, use.address_space_bytes, space_limit);
        memory->used_bytes = use.address_space_bytes;
        memory->limit_bytes = space_limit;
    }
}

bool memory_watch(struct memory *memory)
{
    bool was_short = memory->is_short;
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

    getrlimit(RLIMIT_AS, &limit);
    compare(memory, memory->limit_path[0] == '\0' ? 0 : read_limit(memory->limit_path),
            limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur);
    if (memory->is_short)
        malloc_trim(0); /* what the allocator only keeps must not keep clients out */
    return memory->is_short != was_short;
}
