/*
 * relay.c - bodies in both directions, framing off on the way in and made anew on the way out.
 *
 *     conn read ---- parser_body ---> slices --- writer_body ---> writev ---> upstream
 *     upstream read - parser_head, forward_response_head -> head
 *                   - parser_body ---> slices --- writer_body --> writev head + body ---> conn
 *
 * The slices point into the read buffer; whatever the other socket does not take at once is copied
 * by its stream, and above STREAM_HIGH_BYTES the source waits.
 */
#include "proxy/relay.h"

#include "base/clock.h"
#include "http/forward.h"
#include "http/platform.h"
#include "http/writer.h"
#include "proxy/account.h"
#include "proxy/attempt.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"

/* The request */

/* Keeps the body for a second try, as long as it is small. */
static void keep_for_replay(struct exchange *exchange, const struct slices *slices)
{
    size_t most = exchange_config(exchange)->retry.replay_bytes;

    if (!exchange->is_replayable)
        return;
    if (buf_len(&exchange->replay) + slices->bytes > most) {
        exchange->is_replayable = false;
        buf_deinit(&exchange->replay);
        return;
    }
    for (unsigned i = 0; i < slices->count; i++)
        buf_append_str(&exchange->replay, slices->item[i]);
}

/*
 * Sends one batch. When the very first write fails the server has seen nothing: the attempt has
 * failed, and false says that the exchange has moved on. A later failure is not the end yet: the
 * server may have answered before it closed (see exchange_on_upstream_error).
 */
static bool send_body(struct exchange *exchange, const struct slices *slices, bool last)
{
    struct upstream *upstream = exchange->upstream;
    char chunk[WRITER_CHUNK_BYTES];
    struct iovec iov[WRITER_IOV_MAX];

    if (exchange->write_failed)
        return true;
    unsigned count = writer_body(exchange->request.body, slices, last, chunk, iov);
    if (count == 0)
        return true;
    if (stream_write(&upstream->stream, iov, count) == 0) {
        exchange->head_sent = true;
        exchange_watch(exchange, true);
        return true;
    }
    if (!exchange->head_sent) {
        attempt_failed(exchange, upstream->is_reused ? OUTCOME_STALE : OUTCOME_CLOSED);
        return false;
    }
    exchange->write_failed = true;
    return true;
}

bool relay_replay(struct exchange *exchange)
{
    struct slices slices = {.count = 0};
    struct str body = buf_str(&exchange->replay);

    if (body.len > 0)
        slices.item[slices.count++] = body;
    slices.bytes = body.len;
    return send_body(exchange, &slices, exchange->request_done);
}

bool relay_flush(struct exchange *exchange)
{
    struct upstream *upstream = exchange->upstream;

    if (exchange->state != EXCHANGE_RELAY || exchange->head_sent || exchange->request_done)
        return true;
    if (stream_flush(&upstream->stream) == 0) {
        exchange->head_sent = true;
        return true;
    }
    attempt_failed(exchange, upstream->is_reused ? OUTCOME_STALE : OUTCOME_CLOSED);
    return false;
}

void relay_request(struct exchange *exchange, const struct slices *slices, bool last)
{
    uint64_t most = exchange_config(exchange)->limits.body_bytes;

    exchange->awaits_continue = false;
    exchange->received_bytes += slices->bytes;
    if (most > 0 && exchange->received_bytes > most) {
        exchange_client_failed(exchange, OUTCOME_BODY_TOO_LARGE);
        return;
    }
    exchange->request_done = last;
    keep_for_replay(exchange, slices);
    send_body(exchange, slices, last);
}

/* The answer */

/* Sends to the client; the server waits while it is behind. False: the client and the exchange are
 * gone. */
static bool send_client(struct exchange *exchange, const struct iovec *iov, unsigned count)
{
    struct conn *conn = exchange->conn;

    if (!conn_send(conn, iov, count))
        return false;
    if (conn_is_congested(conn)) {
        stream_pause(&exchange->upstream->stream);
        exchange_watch(exchange, false);
    }
    return true;
}

void relay_client_drained(struct exchange *exchange)
{
    if (exchange->upstream == NULL || exchange->state != EXCHANGE_RELAY)
        return;
    stream_resume(&exchange->upstream->stream);
    exchange_watch(exchange, true);
}

/* The authority of the backend's own URLs: what its Location and cookies may name. */
static struct str backend_authority(const struct exchange *exchange)
{
    const struct config_backend *backend =
        &exchange_config(exchange)->backends[exchange->decision.side];

    return backend->host == HOST_LITERAL ? backend->host_literal
                                         : str_of(exchange->server->server->authority);
}

static void write_response_head(struct exchange *exchange, const struct message *response,
                                struct buf *out)
{
    const struct config *config = exchange_config(exchange);
    bool interim = response->status < 200 && response->status != 101;
    struct str cookie = interim ? STR("") : exchange_set_cookie(exchange);

    /* What a cache may give to others must not hand them this user's bucket. */
    if (!str_is_empty(cookie) && message_is_shared(response))
        cookie = STR("");
    struct forward_response forward = {
        .message = response,
        .body = exchange->body,
        .client_minor = exchange->request.minor,
        .keep_alive = exchange->keep_alive,
        .upgrade = response->status == 101,
        .via = str_of(exchange->conn->worker->common->via),
        .date = worker_date(exchange->conn->worker),
        .request_id = forward_request_id(&exchange->request,
                                         str_from(exchange->request_id, REQUEST_ID_BYTES)),
        .set_cookie = cookie,
        .backend_authority = backend_authority(exchange),
        .server_authority = str_of(exchange->server->server->authority),
        .client_authority = exchange->request.authority,
        .client_scheme = exchange->scheme,
        .backend_is_tls = exchange->server->server->is_tls,
        .rewrite_location = config->rewrite.location,
        .rewrite_cookie_domain = config->rewrite.cookie_domain,
    };

    buf_clear(out);
    forward_response_head(&forward, out);
}

static struct iovec vector_of(struct str s)
{
    return (struct iovec){.iov_base = (char *)s.data, .iov_len = s.len};
}

/* How long the server keeps an idle connection, a second less for the way: Keep-Alive: timeout=N.
 */
static uint64_t idle_limit_ms(const struct message *response)
{
    const struct field *field = message_find(response, FIELD_KEEP_ALIVE);
    struct str rest = field == NULL ? STR("") : field->value;
    struct str part;
    uint64_t seconds;

    while (str_next_part(&rest, ',', &part))
        if (str_starts_with_nocase(part, STR("timeout=")) &&
            str_to_u64(str_slice(part, strlen("timeout="), part.len), &seconds) &&
            seconds < UINT32_MAX)
            return seconds > 1 ? (seconds - 1) * 1000 : 1;
    return 0;
}

/* The head speaks of a body that must not come (HEAD, 204, 304): if it does come, later, it must not
 * meet the next request. */
static bool announces_in_vain(const struct message *response)
{
    return response->body == BODY_NONE && (response->content_length > 0 ||
                                           message_find(response, FIELD_TRANSFER_ENCODING) != NULL);
}

/* Without a length, since it has no end of its own. */
static bool is_event_stream(const struct message *response)
{
    const struct field *type = response->has_content_length || response->body == BODY_NONE
                                   ? NULL
                                   : message_find_name(response, STR("Content-Type"));

    return type != NULL && str_starts_with_nocase(type->value, STR("text/event-stream"));
}

/* The final head: from here on the status is committed. Puts the head into worker->head. */
static void begin_answer(struct exchange *exchange, const struct message *response)
{
    struct conn *conn = exchange->conn;

    exchange->first_byte_ns = clock_mono_ns();
    exchange->status = response->status;
    exchange->response_has_body = response->body != BODY_NONE;
    exchange->is_early = !exchange->request_done || stream_pending(&exchange->upstream->stream) > 0;
    exchange->upstream_keep_alive =
        response->keep_alive && response->body != BODY_UNTIL_EOF && !announces_in_vain(response);
    exchange->upstream->idle_limit_ms = idle_limit_ms(response);
    exchange->body = response->body;
    if (response->body == BODY_CHUNKED || response->body == BODY_UNTIL_EOF)
        exchange->body = exchange->request.minor == 1 ? BODY_CHUNKED : BODY_UNTIL_EOF;
    /* A client that is still sending its body cannot be told where the next request begins; bytes
     * behind a refused Upgrade may be the tunnel's, and are never read as another request. */
    exchange->keep_alive = exchange_may_keep_client(exchange) && exchange->body != BODY_UNTIL_EOF;
    if (is_event_stream(response)) {
        exchange->is_stream = true;
        account_opened(exchange, exchange->answer);
    }
    write_response_head(exchange, response, &conn->worker->head);
}

/* A body where the method gives it no meaning (RFC 9110 9.3): some servers do not read it, and would
 * take it for the next request. */
static bool has_odd_body(const struct exchange *exchange)
{
    struct str method = exchange->request.method;

    return exchange->request.body != BODY_NONE &&
           (method_is_safe(method) || str_eq(method, STR("DELETE")));
}

/* Whether the server's connection is where the next request may begin: it has been sent all of this
 * one before it answered, and nothing came behind the answer. */
static bool is_in_step(const struct exchange *exchange, size_t left_over)
{
    return exchange->upstream_keep_alive && !exchange->is_early && !exchange->write_failed &&
           left_over == 0 && !has_odd_body(exchange);
}

static void finish_answer(struct exchange *exchange, size_t left_over)
{
    enum outcome outcome = exchange->answer;

    attempt_done(exchange, outcome, is_in_step(exchange, left_over));
    exchange_finish(exchange, outcome, false);
}

static enum outcome outcome_of_platform(enum platform_fault fault)
{
    switch (fault) {
    case PLATFORM_404:
        return OUTCOME_PLATFORM_404;
    case PLATFORM_502:
        return OUTCOME_PLATFORM_502;
    case PLATFORM_503:
        return OUTCOME_PLATFORM_503;
    case PLATFORM_504:
        return OUTCOME_PLATFORM_504;
    case PLATFORM_NONE:
        break;
    }
    return OUTCOME_OK;
}

/* A 404 on a route where the sides may be of different builds. */
static bool is_skew(const struct exchange *exchange, const struct message *response)
{
    const struct policy *policy = &exchange->adopted->snapshot->policy;
    int route = exchange->decision.route;
    struct str method = exchange->request.method;

    return response->status == 404 && route >= 0 && policy->routes[route].asks_other &&
           (str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")));
}

/* Another attempt has begun instead of passing this answer on. */
static bool is_passed_over(struct exchange *exchange, const struct message *response)
{
    exchange->answer = outcome_of_platform(platform_fault(response));
    if (exchange->answer != OUTCOME_OK)
        return attempt_pass_over(exchange, exchange->answer);
    return is_skew(exchange, response) && attempt_ask_other(exchange);
}

/* Passes a 1xx on (RFC 9110 15.2); a client of HTTP/1.0 does not know them. */
static bool pass_interim(struct exchange *exchange, const struct message *response)
{
    struct buf *head = &exchange->conn->worker->head;

    if (response->status == 100)
        exchange->awaits_continue = false;
    if (exchange->request.minor == 0)
        return true;
    write_response_head(exchange, response, head);
    struct iovec iov = vector_of(buf_str(head));
    return send_client(exchange, &iov, 1);
}

/* A tunnel that the client asked for, to a protocol that it named, and nothing else (RFC 9110 7.8,
 * 8.6). */
static bool is_sound_switch(const struct exchange *exchange, const struct message *response)
{
    return exchange->request.wants_upgrade && response->wants_upgrade &&
           message_upgrade_is_offered(response, &exchange->request) &&
           !response->has_content_length && message_find(response, FIELD_TRANSFER_ENCODING) == NULL;
}

static void switch_protocols(struct exchange *exchange, const struct message *response,
                             struct str early)
{
    struct buf *head = &exchange->conn->worker->head;

    if (!is_sound_switch(exchange, response)) {
        attempt_failed(exchange, OUTCOME_BAD_RESPONSE);
        return;
    }
    exchange->first_byte_ns = clock_mono_ns();
    exchange->status = 101;
    write_response_head(exchange, response, head);
    struct iovec iov = vector_of(buf_str(head));
    account_opened(exchange, OUTCOME_TUNNEL);
    if (send_client(exchange, &iov, 1))
        tunnel_start(exchange, early);
}

enum head_step { HEAD_MORE, HEAD_NEXT, HEAD_FINAL, HEAD_GONE };

/*
 * Takes one head from the front of `data`. HEAD_MORE: it is not complete. HEAD_NEXT: it was an
 * interim one. HEAD_FINAL: worker->head is to be sent. HEAD_GONE: the exchange is over, or a
 * tunnel.
 */
static enum head_step take_head(struct exchange *exchange, struct str data, size_t *used)
{
    struct worker *worker = exchange->conn->worker;
    struct upstream *upstream = exchange->upstream;
    size_t most = exchange_config(exchange)->limits.head_bytes;
    size_t len = parser_find_head(data, &upstream->searched);

    if (len > most || (len == 0 && data.len > most)) {
        attempt_failed(exchange, OUTCOME_RESPONSE_TOO_LARGE);
        return HEAD_GONE;
    }
    if (len == 0)
        return HEAD_MORE;
    upstream->searched = 0;
    *used += len;
    if (parser_head(&upstream->parser, str_from(data.data, len), &worker->response,
                    str_eq(exchange->request.method, STR("HEAD"))) != PARSE_DONE) {
        attempt_failed(exchange, OUTCOME_BAD_RESPONSE);
        return HEAD_GONE;
    }
    if (worker->response.status == 101) {
        switch_protocols(exchange, &worker->response, str_from(data.data + len, data.len - len));
        return HEAD_GONE;
    }
    if (worker->response.status >= 200) {
        if (is_passed_over(exchange, &worker->response))
            return HEAD_GONE;
        begin_answer(exchange, &worker->response);
        return HEAD_FINAL;
    }
    parser_reset(&upstream->parser);
    if (++exchange->interim > INTERIM_MAX) {
        attempt_failed(exchange, OUTCOME_BAD_RESPONSE);
        return HEAD_GONE;
    }
    return pass_interim(exchange, &worker->response) ? HEAD_NEXT : HEAD_GONE;
}

/* Sends the bytes of the body in `data`, with `head` in front when it is not empty. */
static void send_answer(struct exchange *exchange, struct str head, struct str data)
{
    struct upstream *upstream = exchange->upstream;
    char chunk[WRITER_CHUNK_BYTES];
    struct iovec iov[WRITER_IOV_MAX + 1];
    struct slices slices = {.count = 0};
    enum parse_result result = exchange->response_has_body ? PARSE_MORE : PARSE_DONE;
    size_t used_all = 0;

    do {
        unsigned count = 0;
        if (head.len > 0)
            iov[count++] = vector_of(head);
        head.len = 0;
        if (result == PARSE_MORE && data.len > used_all) {
            size_t used;
            result =
                parser_body(&upstream->parser, str_from(data.data + used_all, data.len - used_all),
                            &used, &slices);
            used_all += used;
            exchange->sent_bytes += slices.bytes;
            count += writer_body(exchange->body, &slices, result == PARSE_DONE, chunk, iov + count);
        }
        if (!send_client(exchange, iov, count))
            return;
        if (result == PARSE_BAD) {
            attempt_failed(exchange, OUTCOME_BAD_RESPONSE);
            return;
        }
    } while (result == PARSE_MORE && used_all < data.len);

    if (result == PARSE_DONE)
        finish_answer(exchange, data.len - used_all);
    else
        exchange_watch(exchange, true);
}

void relay_response(struct exchange *exchange, struct str data)
{
    struct upstream *upstream = exchange->upstream;
    struct buf joined = BUF_EMPTY;
    struct str head = STR("");
    enum head_step step = HEAD_NEXT;
    size_t used = 0;

    if (buf_len(&upstream->inbox) > 0) {
        buf_append_str(&upstream->inbox, data);
        joined = upstream->inbox;
        buf_init(&upstream->inbox);
        data = buf_str(&joined);
    }
    if (exchange->status == 0) {
        while (step == HEAD_NEXT && used < data.len)
            step = take_head(exchange, str_from(data.data + used, data.len - used), &used);
        if (step == HEAD_MORE)
            buf_append(&upstream->inbox, data.data + used, data.len - used);
        if (step == HEAD_FINAL)
            head = buf_str(&exchange->conn->worker->head);
    }
    if (step == HEAD_FINAL || (step == HEAD_NEXT && used < data.len))
        send_answer(exchange, head, str_from(data.data + used, data.len - used));
    buf_deinit(&joined);
}

void relay_response_end(struct exchange *exchange)
{
    struct slices nothing = {.count = 0};
    char chunk[WRITER_CHUNK_BYTES];
    struct iovec iov[WRITER_IOV_MAX];

    /* Behind a failed write the end may be a RST that the write has been told of already. */
    if (exchange->write_failed || parser_eof(&exchange->upstream->parser) != PARSE_DONE) {
        attempt_failed(exchange, OUTCOME_TRUNCATED);
        return;
    }
    if (send_client(exchange, iov, writer_body(exchange->body, &nothing, true, chunk, iov)))
        finish_answer(exchange, 0);
}
