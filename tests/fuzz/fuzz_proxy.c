/*
 * fuzz_proxy.c - the whole proxy in one process: a real worker with clients and servers around it.
 *
 * An input is a script, and plain text where HTTP is: '|' and a letter begin a step, which goes to
 * the next such. What stands in front of the first is sent by a client. A step begins when all that
 * the one before led to is over; '|' and any other letter is just text.
 *
 *     |cTEXT  the client sends     |n |p |q  another client: plain, with PROXY header, redirected
 *     |CTEXT  the same, 64 KiB     |f  its FIN      |r  its RST     |d  is deaf, |u  not any more
 *     |sTEXT  the server sends     |e  its FIN      |x  its RST     |D  is deaf, |U  not any more
 *     |STEXT  the same, 256 KiB    |a  the next connection to a server is closed at once
 *     |t25    2.5 s pass           |T25  the same, in which the process was stopped
 *     |w30    weight               |h5   servers that are down, as bits
 *     |m5     administrative states, old's and new's, to the base of 3
 *
 * Client and server are the newest that are open. When the script is over every server that was
 * not in it answers its requests by rote, clients send FIN, and then, at the latest after some
 * time, all must be gone: connections, descriptors, gauges. judge.h says what must be true of the
 * bytes.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "ends.h"
#include "fuzz.h"
#include "judge.h"
#include "loop.h"

#define BULK_CLIENT_BYTES ((size_t)64 << 10)
#define BULK_SERVER_BYTES ((size_t)256 << 10)

#define STEPS_MAX 64

#define TIME_STEP_MS 500

/* Seconds after which nothing may be left: more than any two of the timeouts below. */
#define END_S 60

/* And so many times 5 ms of real time, for the kernel. */
#define END_WAITS 400

static struct ends ends;
static struct worker_shared common;
static struct config *config;
static struct server *servers[SERVERS];
static uint64_t generation;

struct operation {
    unsigned weight;
    enum admin_state admin[SIDES];
};

static const struct operation INITIALLY = {.weight = 3000};
static struct operation operation;

static enum side side_of(unsigned server)
{
    return server == 0 ? SIDE_OLD : SIDE_NEW;
}

/* ---- the proxy ---- */

static void publish(const struct operation *next)
{
    struct snapshot *snapshot = snapshot_new(config, ++generation);

    operation = *next;
    snapshot->policy.weight = next->weight;
    for (unsigned i = 0; i < config->route_count; i++) {
        snapshot->policy.route_weight[i] = config->routes[i].initial_weight;
        snapshot->slots[i] = i + 1;
    }
    for (int side = 0; side < SIDES; side++)
        snapshot->policy.admin[side] = next->admin[side];
    for (unsigned i = 0; i < SERVERS; i++)
        snapshot_set_server(snapshot, side_of(i), i == 0 ? 0 : i - 1, servers[i],
                            &ends.addresses[i], 1);
    worker_publish(ends.worker, snapshot);
    snapshot_unref(snapshot);
}

static struct config *make_config(void)
{
    struct config_problems problems;
    struct buf text = BUF_EMPTY;
    char url[SERVERS][ADDR_TEXT_BYTES];

    for (unsigned i = 0; i < SERVERS; i++)
        (void)addr_format(&ends.addresses[i], url[i]);
    buf_printf(&text,
               "listen:\n"
               "  - {address: '127.0.0.1:0', health_path: /cutover-health}\n"
               "  - {address: '127.0.0.1:0', proxy_protocol: true}\n"
               "  - {address: '127.0.0.1:0', redirect_https: 443}\n"
               "admin: {address: '127.0.0.1:0'}\n"
               "state_file: /nowhere/state.json\n"
               "backends:\n"
               "  old: {servers: ['http://%s']}\n"
               "  new: {servers: ['http://%s', 'http://%s'], host: client}\n"
               "routes:\n"
               "  - {name: pinned, path: /old/, pin: old}\n"
               "  - {name: weighted, path: /new, weight: 100}\n"
               "  - {name: assets, path: /assets/, on_404: other_side}\n"
               "sticky: {identity: [cookie, 'header:X-User', 'query:user', 'jwt:sub']}\n"
               "retry: {attempts: 1, replay_bytes: 1k}\n"
               "timeouts: {client_header: 5s, client_body: 5s, client_idle: 5s, connect: 1s,\n"
               "  response_header: 10s, response_body: 10s, upstream_idle: 4s, tunnel_idle: 10s}\n"
               "limits: {head_bytes: 4k, target_bytes: 1k, field_bytes: 1k, headers: 32,\n"
               "  body_bytes: 128k, body_rate: 100, requests_per_connection: 8}\n"
               "forwarded: {trust: [10.0.0.0/8, alb, cloudflare], client_ip_header: X-Client}\n",
               url[0], url[1], url[2]);
    config_problems_init(&problems);
    struct config *made = config_parse(buf_str(&text), "fuzz.yaml", &problems);
    if (made == NULL)
        config_problems_format(&problems, &text);
    if (made == NULL)
        (void)!write(STDERR_FILENO, buf_str(&text).data, buf_len(&text));
    CHECK(made != NULL);
    config_problems_deinit(&problems);
    buf_deinit(&text);
    return made;
}

static void on_drained(void *data)
{
    (void)data;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error error;
    struct addr addresses[LISTEN_MAX];

    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN); /* as server.c does */
    ends_init(&ends);
    config = make_config();
    for (unsigned i = 0; i < SERVERS; i++) {
        const struct config_server *server =
            &config->backends[side_of(i)].servers[i == 0 ? 0 : i - 1];
        servers[i] = server_new(side_of(i), server->url, server->host, server->port, false, false,
                                server->authority);
    }
    common.connections_max = CLIENTS_MAX - 1;
    common.on_drained = on_drained;
    memcpy(common.via, "cutover-1a2b3c4d", VIA_BYTES);
    for (unsigned i = 0; i < config->listen_count; i++)
        addresses[i] = config->listen[i].address;
    ends.worker = worker_new(0, &common, addresses, config->listen_count, &error);
    CHECK(ends.worker != NULL);
    publish(&INITIALLY);
    CHECK(worker_start(ends.worker, &error));
    ends_settle(&ends);
    return 0;
}

/* As if nothing had been before. */
static void begin(void)
{
    struct worker *worker = ends.worker;

    for (unsigned i = 0; i < SERVERS; i++) {
        atomic_store(&servers[i]->shared.health, HEALTH_UNKNOWN);
        atomic_store(&servers[i]->shared.errors, 0);
        atomic_store(&servers[i]->shared.ejections, 0);
        atomic_store(&servers[i]->shared.ejected_until_ms, 0);
    }
    if (memcmp(&operation, &INITIALLY, sizeof(operation)) != 0) {
        publish(&INITIALLY);
        ends_settle(&ends);
    }
    atomic_store(&common.draws, 0);
    worker->random[0] = 1;
    worker->random[1] = 2;
    atomic_store(&common.full_told_ms, 0);
    atomic_store(&common.preface_told_ms, 0);
    worker->ordinal = 0;
    for (int side = 0; side < SIDES; side++)
        worker->adopted->cursor[side] = 0;
    LIST_FOREACH (&worker->pools, node)
        CONTAINER_OF(node, struct pool, node)->next_addr = 0;
}

/* ---- the script ---- */

static unsigned number_of(struct str text)
{
    unsigned number = 0;

    for (size_t i = 0; i < text.len && ascii_is_digit(text.data[i]) && number < 10000; i++)
        number = number * 10 + (unsigned)(text.data[i] - '0');
    return number;
}

static void send_bulk(struct end *end, struct str text, size_t bytes)
{
    struct buf bulk = BUF_EMPTY;

    while (text.len > 0 && buf_len(&bulk) < bytes)
        buf_append_str(&bulk, text);
    end_send(end, buf_str(&bulk));
    buf_deinit(&bulk);
}

static void client_step(char what, struct str text)
{
    static const char KINDS[] = "npq";
    const char *kind = memchr(KINDS, what, sizeof(KINDS) - 1);
    struct end *client =
        ends_client(&ends, kind == NULL ? 0 : (unsigned)(kind - KINDS), kind != NULL);

    if (client == NULL)
        return;
    if (what == 'C')
        send_bulk(client, text, BULK_CLIENT_BYTES);
    else if (what == 'f')
        end_shut(client);
    else if (what == 'r')
        end_reset(client);
    else if (what == 'd' || what == 'u')
        client->is_deaf = what == 'd';
    else
        end_send(client, text);
}

static void server_step(char what, struct str text)
{
    struct end *link = ends_link(&ends);

    if (link == NULL)
        return;
    if (what == 'D' || what == 'U') {
        link->is_deaf = what == 'D';
        return;
    }
    link->is_scripted = true;
    if (what == 's')
        end_send(link, text);
    else if (what == 'S')
        send_bulk(link, text, BULK_SERVER_BYTES);
    else if (what == 'e')
        end_shut(link);
    else
        end_reset(link);
}

/* In steps: a longer one would be a stall to the worker, and nothing expire for a while. */
static void pass_time(unsigned ms)
{
    for (unsigned passed = 0; passed < ms; passed += TIME_STEP_MS) {
        loop_clock_add(TIME_STEP_MS);
        ends_settle(&ends);
    }
}

static void world_step(char what, struct str text)
{
    struct operation next = operation;
    unsigned number = number_of(text);

    if (what == 'a') {
        ends.closes_next = true;
    } else if (what == 't') {
        pass_time(number % 200 * 100);
    } else if (what == 'T') {
        loop_clock_add(number % 200 * 100);
    } else if (what == 'h') {
        for (unsigned i = 0; i < SERVERS; i++)
            atomic_store(&servers[i]->shared.health,
                         (number >> i & 1) != 0 ? HEALTH_DOWN : HEALTH_UP);
    } else if (what == 'w') {
        next.weight = number % 101 * 100;
        publish(&next);
    } else {
        next.admin[SIDE_OLD] = (enum admin_state)(number % 3);
        next.admin[SIDE_NEW] = (enum admin_state)(number / 3 % 3);
        publish(&next);
    }
}

/* Length of what goes before the next step. */
static size_t step_len(struct str script)
{
    for (size_t i = 0; i + 1 < script.len; i++)
        if (script.data[i] == '|' && strchr("cCnpqfrdusSexDUatThwm", script.data[i + 1]) != NULL &&
            script.data[i + 1] != '\0')
            return i;
    return script.len;
}

static void run(struct str script)
{
    char what = 'c';

    for (unsigned i = 0; i < STEPS_MAX; i++) {
        size_t len = step_len(script);
        struct str text = str_slice(script, 0, len);
        if (strchr("cCnpqfrdu", what) != NULL)
            client_step(what, text);
        else if (strchr("sSexDU", what) != NULL)
            server_step(what, text);
        else
            world_step(what, text);
        ends_settle(&ends);
        if (len == script.len)
            return;
        what = script.data[len + 1];
        script = str_slice(script, len + 2, script.len);
    }
}

/* ---- the end ---- */

/* Answers what has come in whole; whether there was anything. */
static bool answer_by_rote(struct end *link)
{
    unsigned count = link->is_scripted || link->fd < 0 ? 0 : judge_count_requests(link);

    if (count <= link->answered)
        return false;
    for (; link->answered < count; link->answered++)
        end_send(link, STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    return true;
}

static void answer_all(void)
{
    bool any;

    do {
        any = false;
        for (unsigned i = 0; i < ends.link_count; i++)
            any |= answer_by_rote(&ends.links[i]);
        ends_settle(&ends);
    } while (any);
}

static void end_script(void)
{
    ends.closes_next = false;
    for (unsigned i = 0; i < ends.client_count; i++)
        ends.clients[i].is_deaf = false;
    for (unsigned i = 0; i < ends.link_count; i++)
        ends.links[i].is_deaf = false;
    ends_settle(&ends);
    answer_all();
    for (unsigned i = 0; i < ends.client_count; i++)
        end_shut(&ends.clients[i]);
    answer_all();
    for (unsigned i = 0; i < ends.link_count; i++)
        if (ends.links[i].is_scripted)
            end_shut(&ends.links[i]);
    answer_all();
}

static bool is_all_gone(void)
{
    bool all = ends.worker->conn_count == 0 && ends.worker->upstream_count == 0;

    for (unsigned i = 0; i < ends.client_count; i++)
        all = all && (ends.clients[i].has_ended || ends.clients[i].was_reset);
    return all;
}

static void expect_all_gone(void)
{
    struct worker *worker = ends.worker;

    for (unsigned s = 0; s < END_S && worker->conn_count > 0; s++) {
        pass_time(1000);
        answer_all();
    }
    CHECK(worker->conn_count == 0);
    worker_shed(worker);
    ends_settle(&ends);
    /* On a busy machine the kernel may take a moment to carry a FIN from one end to the other. */
    for (unsigned i = 0; i < END_WAITS && !is_all_gone(); i++) {
        (void)poll(NULL, 0, 5);
        ends_settle(&ends);
    }
    CHECK(is_all_gone());
    CHECK(atomic_load(&common.connections) == 0);
    CHECK(atomic_load(&worker->counters->connections) == 0);
    for (int side = 0; side < SIDES; side++)
        CHECK(atomic_load(&worker->counters->tunnels[side]) == 0);
    for (unsigned i = 0; i < SERVERS; i++) {
        CHECK(atomic_load(&servers[i]->shared.upstreams) == 0);
        CHECK(atomic_load(&servers[i]->shared.active) == 0);
        CHECK(atomic_load(&servers[i]->shared.waiting) == 0);
    }
}

/* The lowest one that is free: a descriptor that leaks takes it. */
static int free_descriptor(void)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

    CHECK(fd >= 0);
    close(fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    int base = free_descriptor();
    run(input_of(data, size));
    end_script();
    expect_all_gone();
    judge(&ends);
    ends_clear(&ends);
    CHECK(free_descriptor() == base);
    return 0;
}
