/*
 * memory.h - the process's memory against its limits.
 *
 * A limit is what the kernel kills or refuses for: memory.max of the cgroups that the process is in
 * (v1: memory.limit_in_bytes) for what is resident, RLIMIT_AS for the address space. Memory is short
 * from 90 % of it on, until 85 %: new client connections are turned away, what is there goes on.
 */
#ifndef CONTROL_MEMORY_H
#define CONTROL_MEMORY_H

#include "base/str.h"

struct memory {
    char limit_path[512]; /* the file with the cgroup's limit; empty: it has none */
    bool is_short;
    uint64_t used_bytes, limit_bytes; /* of the limit that is nearest; 0: none */
};

/* What the process uses now; 0 when that cannot be read. */
struct memory_use {
    uint64_t resident_bytes;
    uint64_t address_space_bytes;
};
struct memory_use memory_used(void);

/* Before any thread is started: where addresses are limited the allocator is told to be modest. */
void memory_prepare(void);

/* Looks for the cgroup's limit, once, at the start. Without any, little is read later. */
void memory_find_limit(struct memory *memory);

/* Compares, and gives back what the allocator only keeps while memory is short; to be called about
 * once a second. True: a shortage has begun, or ended. */
bool memory_watch(struct memory *memory);

/* Inside, for tests */

/* Whether `used` of `limit` bytes is too much; 0: there is no limit. */
bool memory_is_short(bool was_short, uint64_t used, uint64_t limit);

/* What a file of limits says, in bytes; 0: none. */
uint64_t memory_parse_limit(struct str text);

/* The smallest limit that holds for who is in `cgroups` (the text of /proc/self/cgroup) where
 * `root` is /sys/fs/cgroup, and the path of its file; 0: none. */
uint64_t memory_cgroup_limit(const char *root, struct str cgroups, char *path, size_t path_size);

#endif
