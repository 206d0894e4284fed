/*
 * trust.c - forwarded.trust: each entry is a range or the name of a preset, which is several.
 */
#include "config/trust.h"

#include "base/check.h"

#define ENTRIES_MAX 64

/* What Railway's edge and private network connect from. */
static const char *const RAILWAY[] = {"100.64.0.0/10"};

/* A load balancer of AWS or Alibaba has addresses of the VPC, which is somewhere in these. */
static const char *const ALB[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"};

/* As published at https://www.cloudflare.com/ips/. */
static const char *const CLOUDFLARE[] = {
    "173.245.48.0/20",  "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22",    "141.101.64.0/18",
    "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17",
    "162.158.0.0/15",   "104.16.0.0/13",   "104.24.0.0/14",   "172.64.0.0/13",    "131.0.72.0/22",
    "2400:cb00::/32",   "2606:4700::/32",  "2803:f800::/32",  "2405:b500::/32",   "2405:8100::/32",
    "2a06:98c0::/29",   "2c0f:f248::/32",
};

static const struct preset {
    const char *name;
    enum forward_edge edge;
    const char *const *ranges;
    unsigned count;
} PRESETS[] = {
    {"railway", FORWARD_EDGE_RAILWAY, RAILWAY, ARRAY_LEN(RAILWAY)},
    {"alb", FORWARD_EDGE_ALB, ALB, ARRAY_LEN(ALB)},
    {"cloudflare", FORWARD_EDGE_CLOUDFLARE, CLOUDFLARE, ARRAY_LEN(CLOUDFLARE)},
};

/* What one entry stands for. */
struct trusted {
    const struct preset *preset; /* NULL: `range` */
    struct cidr range;
};

static bool read_entry(struct schema *schema, const struct yaml_node *node,
                       const struct schema_key *key, void *place)
{
    (void)key;
    struct trusted *trusted = place;
    struct str text = STR("");
    const char *expected =
        "expected a range such as 10.0.0.0/8 (no bits set behind the prefix), an address, railway, "
        "alb or cloudflare";
    if (!schema_scalar(schema, node, expected, &text))
        return false;
    for (unsigned i = 0; i < ARRAY_LEN(PRESETS); i++) {
        if (str_eq(text, str_of(PRESETS[i].name))) {
            trusted->preset = &PRESETS[i];
            return true;
        }
    }
    return cidr_parse(text, &trusted->range) || schema_expected(schema, node, expected);
}

static unsigned count_ranges(const struct trusted *entries, unsigned count)
{
    unsigned ranges = 0;
    for (unsigned i = 0; i < count; i++)
        ranges += entries[i].preset == NULL ? 1 : entries[i].preset->count;
    return ranges;
}

static void add_preset(const struct preset *preset, struct config_forwarded *forwarded)
{
    for (unsigned i = 0; i < preset->count; i++) {
        struct config_trust *trust = &forwarded->trust[forwarded->trust_count++];
        bool good = cidr_parse(str_of(preset->ranges[i]), &trust->range);
        CHECK(good);
        trust->edge = preset->edge;
    }
}

bool trust_reader(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                  void *place)
{
    (void)key;
    static const struct schema_key ITEM = {
        .name = "", .read = read_entry, .width = sizeof(struct trusted)};
    struct config_forwarded *forwarded = place;
    void *items = NULL;
    unsigned count = 0;
    if (!schema_list_read(schema, node, &ITEM, "ranges", ENTRIES_MAX, &items, &count))
        return false;
    const struct trusted *entries = items;
    forwarded->trust =
        arena_array(schema->arena, count_ranges(entries, count), sizeof(*forwarded->trust));
    for (unsigned i = 0; i < count; i++)
        if (entries[i].preset != NULL)
            add_preset(entries[i].preset, forwarded);
        else
            forwarded->trust[forwarded->trust_count++] =
                (struct config_trust){entries[i].range, FORWARD_EDGE_PROXY};
    return true;
}

const struct config_trust *trust_of_address(const struct config_forwarded *forwarded,
                                            const struct addr *address)
{
    for (unsigned i = 0; i < forwarded->trust_count; i++)
        if (cidr_contains(&forwarded->trust[i].range, address))
            return &forwarded->trust[i];
    return NULL;
}
