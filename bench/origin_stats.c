/* Counters and the ids seen, and /stats which shows them. */
#include "origin.h"

#include <stdlib.h>
#include <string.h>

struct id_entry {
    char *id; /* owned; NULL: free */
    size_t len;
    uint64_t seen;
};

enum { IDS_LIMIT = 1 << 20 };

static size_t id_hash(struct span id)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a */
    for (size_t i = 0; i < id.len; i++)
        hash = (hash ^ (unsigned char)id.at[i]) * 1099511628211u;
    return (size_t)(hash ^ (hash >> 32));
}

static struct id_entry *id_slot(const struct id_table *ids, struct span id)
{
    size_t i = id_hash(id) & (ids->cap - 1);
    while (ids->slots[i].id != NULL) {
        if (ids->slots[i].len == id.len && memcmp(ids->slots[i].id, id.at, id.len) == 0)
            break;
        i = (i + 1) & (ids->cap - 1);
    }
    return &ids->slots[i];
}

static void ids_grow(struct id_table *ids)
{
    struct id_table bigger = {.cap = ids->cap == 0 ? 1024 : ids->cap * 2, .used = ids->used};
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        abort();
    for (size_t i = 0; i < ids->cap; i++) {
        if (ids->slots[i].id != NULL) {
            struct span id = {.at = ids->slots[i].id, .len = ids->slots[i].len};
            *id_slot(&bigger, id) = ids->slots[i];
        }
    }
    free(ids->slots);
    *ids = bigger;
}

static void ids_count(struct id_table *ids, struct span id)
{
    if (id.len == 0)
        return;
    if (ids->used * 2 >= ids->cap)
        ids_grow(ids);
    struct id_entry *entry = id_slot(ids, id);
    if (entry->id == NULL) {
        if (ids->used == IDS_LIMIT)
            return;
        entry->id = malloc(id.len);
        if (entry->id == NULL)
            abort();
        memcpy(entry->id, id.at, id.len);
        entry->len = id.len;
        ids->used++;
    }
    entry->seen++;
}

void stats_count(struct conn *conn)
{
    struct stats *stats = &conn->origin->stats;
    struct request *req = &conn->req;
    stats->requests++;
    stats->by_route[route_index(conn->route)]++;
    for (uint32_t i = 0; i < req->n_fields; i++) {
        const struct field *f = &req->fields[i];
        struct span name = {.at = req->head.at + f->name, .len = f->name_len};
        struct span value = {.at = req->head.at + f->value, .len = f->value_len};
        if (f->name_len == 9 && span_is_nocase(name, "X-Test-Id"))
            ids_count(&stats->ids, value);
        else if (f->name_len == 6 && span_is_nocase(name, "Accept") &&
                 span_contains_nocase(value, "text/html"))
            req->plain = false; /* a browser: it gets a page */
    }
}

static uint64_t id_seen(const struct id_table *ids, struct span id)
{
    if (ids->cap == 0)
        return 0;
    const struct id_entry *entry = id_slot(ids, id);
    return entry->id == NULL ? 0 : entry->seen;
}

static void put_duplicates(struct bytes *json, const struct id_table *ids)
{
    const char *comma = "";
    bytes_text(json, "{\"duplicates\":[");
    for (size_t i = 0; i < ids->cap; i++) {
        const struct id_entry *entry = &ids->slots[i];
        if (entry->id != NULL && entry->seen > 1) {
            bytes_text(json, comma);
            bytes_text(json, "{\"id\":");
            bytes_json(json, (struct span){.at = entry->id, .len = entry->len});
            bytes_format(json, ",\"seen\":%llu}", (unsigned long long)entry->seen);
            comma = ",";
        }
    }
    bytes_text(json, "]}\n");
}

static void put_all(struct bytes *json, const struct origin *origin)
{
    const struct stats *stats = &origin->stats;
    uint64_t sightings = 0;
    for (size_t i = 0; i < stats->ids.cap; i++)
        sightings += stats->ids.slots[i].id == NULL ? 0 : stats->ids.slots[i].seen;
    bytes_format(json,
                 "{\"backend\":\"%s\",\"requests\":%llu,\"aborted\":%llu,\"bad\":%llu,"
                 "\"connections\":{\"open\":%llu,\"total\":%llu},"
                 "\"ids\":{\"distinct\":%zu,\"seen\":%llu},\"paths\":{",
                 origin->name, (unsigned long long)stats->requests,
                 (unsigned long long)stats->aborted, (unsigned long long)stats->bad,
                 (unsigned long long)stats->conns_open, (unsigned long long)stats->conns_total,
                 stats->ids.used, (unsigned long long)sightings);
    for (size_t i = 0; route_at(i) != NULL; i++) {
        bytes_format(json, "%s\"%s\":%llu", i == 0 ? "" : ",", route_at(i)->kind,
                     (unsigned long long)stats->by_route[i]);
    }
    bytes_text(json, "}}\n");
}

void stats_answer(struct conn *conn)
{
    struct bytes json = {0};
    struct bytes id = {0};
    struct span wanted = request_query(conn, "id");
    if (wanted.at != NULL) {
        request_decode(wanted, &id);
        struct span decoded = {.at = id.at, .len = id.len};
        bytes_text(&json, "{\"id\":");
        bytes_json(&json, decoded);
        bytes_format(&json, ",\"seen\":%llu}\n",
                     (unsigned long long)id_seen(&conn->origin->stats.ids, decoded));
    } else if (request_query(conn, "duplicates").at != NULL) {
        put_duplicates(&json, &conn->origin->stats.ids);
    } else {
        put_all(&json, conn->origin);
    }
    reply_json(conn, &json);
    bytes_free(&json);
    bytes_free(&id);
}

void stats_deinit(struct stats *stats)
{
    for (size_t i = 0; i < stats->ids.cap; i++)
        free(stats->ids.slots[i].id);
    free(stats->ids.slots);
    stats->ids = (struct id_table){0};
}
