/* texts.c - one line of YAML for each thing that varies. */
#include "texts.h"

#include "base/check.h"
#include "certs.h"
#include "origin.h"

static const char *pick(struct dice *dice, const char *const *words, unsigned words_count)
{
    return words[dice_below(dice, words_count)];
}
#define PICK(dice, ...)                            \
    pick(dice, (const char *const[]){__VA_ARGS__}, \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void write_listeners(struct buf *out)
{
    char *folder = storm_file("");

    buf_printf(out, "listen:\n  - address: %s:0\n", storm_ip(PLACE_PROXY));
    buf_printf(out, "  - address: %s:0\n    tls:\n", storm_ip(PLACE_PROXY));
    buf_printf(out, "      - {certificate: %sapp.crt, key: %sapp.key}\n", folder, folder);
    buf_printf(out, "      - {certificate: %sother.crt, key: %sother.key}\n", folder, folder);
    buf_printf(out, "  - {address: '%s:0', proxy_protocol: true}\n", storm_ip(PLACE_PROXY));
    buf_printf(out, "admin: {address: '%s:0'}\nstate_file: %sstate/state.json\n",
               storm_ip(PLACE_PROXY), folder);
    mem_free(folder);
}

/* Whether one of them has TLS. */
static bool write_servers(struct dice *dice, enum side side, bool is_even, struct buf *out)
{
    unsigned first = is_even ? ORIGIN_EVEN : ORIGIN_EVEN + 1;
    unsigned last = is_even ? ORIGIN_ODD - 1 : ORIGIN_ODD;
    unsigned always = first + dice_below(dice, last - first + 1);
    const char *separator = "";
    bool has_tls = false;

    buf_printf(out, "    servers: [");
    for (unsigned i = first; i <= last; i++) {
        if (i != always && dice_is(dice, 40))
            continue;
        buf_printf(out, "%s%s://%s%u.test:%u", separator, i == ORIGIN_TLS ? "https" : "http",
                   side_name(side), i, origin_port(side, i));
        separator = ", ";
        has_tls = has_tls || i == ORIGIN_TLS;
    }
    buf_printf(out, "]\n");
    return has_tls;
}

static void write_side(struct dice *dice, enum side side, bool is_even, struct buf *out)
{
    char *folder = storm_file("");

    buf_printf(out, "  %s:\n    host: %s\n", side_name(side), is_even ? HOST_EVEN : HOST_ODD);
    bool has_tls = write_servers(dice, side, is_even, out);
    if (has_tls && dice_is(dice, 50))
        buf_printf(out, "    tls: {ca_file: %sorigin.crt}\n", folder);
    else if (has_tls)
        buf_printf(out, "    tls: {verify: false}\n");
    mem_free(folder);
}

static void write_routes(struct dice *dice, struct buf *out)
{
    if (dice_is(dice, 20))
        return;
    buf_printf(out,
               "routes:\n"
               "  - {name: r%u, path: /body/, weight: %u}\n"
               "  - {name: chunks, path: /chunks/, pin: %s}\n"
               "  - {name: sum, path: /sum/, methods: [POST]}\n"
               "  - {name: status, path: /status/, on_404: %s}\n",
               dice_below(dice, 70), dice_below(dice, 101), PICK(dice, "old", "new"),
               PICK(dice, "pass", "other_side"));
}

static void write_timeouts(struct dice *dice, struct buf *out)
{
    buf_printf(out,
               "timeouts: {client_header: %s, client_body: %s, client_idle: %s, connect: %s, "
               "tls_handshake: %s, response_header: %s, response_body: 30s, upstream_idle: %s, "
               "tunnel_idle: %s, drain: 1s}\n",
               PICK(dice, "15s", "20s", "0"), PICK(dice, "15s", "25s"),
               PICK(dice, "100ms", "1s", "30s"), PICK(dice, "3s", "10s"), PICK(dice, "5s", "10s"),
               PICK(dice, "15s", "20s", "25ms"), PICK(dice, "20ms", "200ms", "4s"),
               PICK(dice, "50ms", "10s"));
}

static void write_limits(struct dice *dice, struct buf *out)
{
    buf_printf(out,
               "limits: {headers: %s, head_bytes: %s, requests_per_connection: %s, "
               "connections_per_client: %s, upstream_connections: %s}\n",
               PICK(dice, "64", "100", "128", "300"), PICK(dice, "8k", "32k", "64k"),
               PICK(dice, "0", "0", "3"), PICK(dice, "0", "1000"),
               PICK(dice, "0", "0", "0", "2", "16"));
}

void text_write(struct dice *dice, unsigned generation, struct buf *out)
{
    bool is_even = generation % 2 == 0;

    write_listeners(out);
    buf_printf(out, "initial_weight: %u\nbackends:\n", dice_below(dice, 101));
    for (int side = 0; side < SIDES; side++)
        write_side(dice, (enum side)side, is_even, out);
    write_routes(dice, out);
    write_timeouts(dice, out);
    write_limits(dice, out);
    buf_printf(out, "failover: %s\n", PICK(dice, "both", "both", "to_old", "none"));
    buf_printf(out, "sticky: {on_raise: %s, on_lower: %s, identity: [%s]}\n",
               PICK(dice, "move", "keep"), PICK(dice, "move", "keep"),
               PICK(dice, "cookie", "'header:X-User', cookie", "address", "'query:u', cookie"));
    buf_printf(out, "health: {interval: %s, timeout: 2s, healthy_threshold: 1}\n",
               PICK(dice, "10ms", "25ms", "100ms"));
    buf_printf(out, "outlier: {consecutive_errors: %s, eject_for: %s, max_eject_for: 200ms}\n",
               PICK(dice, "1", "2", "5", "0"), PICK(dice, "10ms", "50ms", "150ms"));
    buf_printf(out, "retry: {attempts: %s, replay_bytes: %s}\n", PICK(dice, "0", "1", "3"),
               PICK(dice, "0", "4k", "64k"));
    buf_printf(out, "rewrite: {location: %s}\n", PICK(dice, "true", "false"));
    buf_printf(out, "log: {access: %s, slow: %s}\n", PICK(dice, "all", "sampled", "errors", "off"),
               PICK(dice, "0", "1s"));
}

struct config *text_parse(struct dice *dice, unsigned generation)
{
    struct config_problems problems;
    struct buf text = BUF_EMPTY;

    config_problems_init(&problems);
    text_write(dice, generation, &text);
    struct config *config = config_parse(buf_str(&text), "storm.yaml", &problems);
    if (config == NULL) {
        struct buf said = BUF_EMPTY;
        config_problems_format(&problems, &said);
        storm_fault("a configuration is refused:\n%.*s\n%.*s", STR_ARG(buf_str(&said)),
                    STR_ARG(buf_str(&text)));
        buf_deinit(&said);
    }
    CHECK(config != NULL);
    count(&counts.configs);
    buf_deinit(&text);
    config_problems_deinit(&problems);
    return config;
}
