/*
 * forward.c - a received head becomes the head that leaves.
 *
 *     request    METHOD origin-form HTTP/1.1, Host, kept fields, X-Forwarded-*, X-Request-ID, Via,
 *                framing, Connection and Upgrade of a tunnel
 *     response   HTTP/1.1 status reason, kept fields, Via, X-Request-ID, Set-Cookie, framing,
 *                Connection
 *
 * The trick: which fields stay is a switch over ids that parsing has found; how the bytes of those
 * that stay move is pen's business. Room for the longest outcome is reserved once (*_bound).
 */
#include "http/forward.h"

#include "forward_way.h"
#include "http/pen.h"
#include "http/rewrite.h"

/* More entries than this in X-Forwarded-For, and some load balancers refuse the request. */
#define FORWARDED_FOR_MAX 30

#define REQUEST_ID_MAX 128

static inline bool is_same_name(struct str a, struct str b)
{
    return a.len == b.len && a.len > 0 && str_eq_nocase(a, b);
}

/* ---- requests ---- */

struct str forward_request_id(const struct message *message, struct str generated)
{
    const struct field *field = message_find(message, FIELD_X_REQUEST_ID);

    if (field == NULL || field->value.len == 0 || field->value.len > REQUEST_ID_MAX)
        return generated;
    for (size_t i = 0; i < field->value.len; i++) {
        char c = field->value.data[i];
        char lower = ascii_lower(c);
        bool is_plain =
            ascii_is_digit(c) || (lower >= 'a' && lower <= 'z') || c == '.' || c == '_' || c == '-';
        if (!is_plain)
            return generated;
    }
    return field->value;
}

/* Fields of one connection (RFC 9110 7.6.1), and those that we write ourselves: framing, Via. */
static bool is_ours_to_write(enum field_id id)
{
    switch (id) {
    case FIELD_CONNECTION:
    case FIELD_CONTENT_LENGTH:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY: /* some applications of the CGI kind take it for HTTP_PROXY */
    case FIELD_PROXY_AUTHENTICATE:
    case FIELD_PROXY_AUTHORIZATION:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TE:
    case FIELD_TRAILER:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
    case FIELD_VIA:
        return true;
    default:
        return false;
    }
}

/* The peer is trusted, and a proxy of its kind would have replaced this field: no client's. */
static bool is_believed(const struct forward_request *request, enum field_id id)
{
    if (!request->trusted)
        return false;
    switch (request->edge) {
    case FORWARD_EDGE_ALB:
        return id == FIELD_X_FORWARDED_PROTO || id == FIELD_X_FORWARDED_PORT;
    case FORWARD_EDGE_CLOUDFLARE:
        return id == FIELD_X_FORWARDED_PROTO;
    case FORWARD_EDGE_RAILWAY:
        return id == FIELD_X_FORWARDED_PROTO || id == FIELD_X_FORWARDED_HOST ||
               id == FIELD_X_REAL_IP;
    case FORWARD_EDGE_PROXY:
        break;
    }
    return true;
}

static bool has_believed(const struct forward_request *request, enum field_id id)
{
    return is_believed(request, id) && message_find(request->message, id) != NULL;
}

/* "X_Real_IP" for "X-Real-IP": applications of the CGI kind cannot tell them apart. */
static bool begins_like(struct str name, struct str of)
{
    if (name.len < of.len)
        return false;
    for (size_t i = 0; i < of.len; i++) {
        char c = name.data[i] == '_' ? '-' : ascii_lower(name.data[i]);
        if (c != ascii_lower(of.data[i]))
            return false;
    }
    return true;
}

static bool is_twin(struct str name, struct str of)
{
    return name.len == of.len && begins_like(name, of);
}

/* X-Forwarded-Ssl, -Scheme, -Prefix and whatever else says how the client came. */
static bool is_of_the_way(struct str name)
{
    return begins_like(name, STR("X-Forwarded-"));
}

/* Whether an application might take the field for one that we vouch for. */
static bool is_false_twin(const struct forward_request *request, struct str name)
{
    static const struct str VOUCHED[] = {
        STR_INIT("X-Forwarded-For"),  STR_INIT("X-Forwarded-Proto"), STR_INIT("X-Forwarded-Host"),
        STR_INIT("X-Forwarded-Port"), STR_INIT("X-Real-IP"),         STR_INIT("X-Request-ID"),
    };

    if (memchr(name.data, '_', name.len) == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(VOUCHED); i++)
        if (is_twin(name, VOUCHED[i]))
            return true;
    return (request->client_ip_header.len > 0 && is_twin(name, request->client_ip_header)) ||
           (request->secret_header.len > 0 && is_twin(name, request->secret_header));
}

static bool request_keeps(const struct forward_request *request, const struct field *field,
                          const struct named *named)
{
    /* Never passed on, whoever sent it: a trusted edge hands through what its clients make up. */
    if (is_same_name(field->name, request->client_ip_header) ||
        is_same_name(field->name, request->secret_header))
        return false;
    switch (field->id) {
    case FIELD_OTHER:
        if (is_of_the_way(field->name))
            return is_believed(request, FIELD_OTHER) && !is_false_twin(request, field->name);
        return !is_same_name(field->name, request->override_header) &&
               !named_has(named, field->name) && !is_false_twin(request, field->name);
    case FIELD_FORWARDED:
    case FIELD_X_FORWARDED_HOST:
    case FIELD_X_FORWARDED_PORT:
    case FIELD_X_FORWARDED_PROTO:
    case FIELD_X_REAL_IP:
        return is_believed(request, field->id);
    case FIELD_EXPECT:
        return request->message->expects_continue;
    case FIELD_HOST:
    case FIELD_X_FORWARDED_FOR:
    case FIELD_X_REQUEST_ID:
        return false;
    default:
        return !is_ours_to_write(field->id);
    }
}

/* The cookies without ours. Most fields do not even hold its name, and stay in their run. */
static void keep_cookies(struct pen *pen, const struct field *field, struct str ours)
{
    bool may_hold_ours =
        ours.len > 0 && memmem(field->value.data, field->value.len, ours.data, ours.len) != NULL;

    if (!may_hold_ours) {
        pen_keep(pen, field);
        return;
    }
    pen_flush(pen);
    char *line = pen->at;
    pen_put(pen, field->name);
    PEN_PUT(pen, ": ");
    size_t intro = (size_t)(pen->at - line);
    pen_lend(pen);
    bool any = cookie_strip(field->value, ours, pen->out);
    if (!any)
        pen->out->end -= intro;
    pen_take_back(pen);
    if (any)
        PEN_PUT(pen, "\r\n");
}

struct str forward_origin_form(const struct message *message)
{
    struct str target = message->target;

    if (target.data[0] == '/' || target.data[0] == '*')
        return target;
    struct str authority = message->authority;
    return str_slice(target, (size_t)(authority.data + authority.len - target.data), target.len);
}

/* `h2c` is not passed on: the tunnel would carry requests that nobody here sees. */
static void put_upgrade(struct pen *pen, struct str list)
{
    struct str token;
    bool any = false;

    PEN_PUT(pen, "Connection: upgrade\r\nUpgrade: ");
    while (message_next_tunnel(&list, &token)) {
        if (any)
            PEN_PUT(pen, ", ");
        pen_put(pen, token);
        any = true;
    }
    PEN_PUT(pen, "\r\n");
}

static size_t request_bound(const struct forward_request *request)
{
    const struct message *message = request->message;

    /* A received field may gain the blank behind its colon, an Upgrade one behind each comma. */
    return pen_received_bytes(message) + message->count + FORWARD_EXTRA_BYTES + request->host.len +
           request->peer_ip.len + request->client_ip.len + request->scheme.len + request->port.len +
           request->request_id.len + request->via.len + request->client_ip_header.len +
           request->secret_header.len + request->secret.len + message->authority.len +
           message->upgrade.len;
}

static void put_forwarded_for(struct pen *pen, const struct forward_request *request)
{
    PEN_PUT(pen, "X-Forwarded-For: ");
    if (request->trusted) {
        unsigned count = forward_count_entries(request->message);
        struct forward_entries entries = {.message = request->message};
        struct str entry;
        for (unsigned i = 0; forward_next_entry(&entries, &entry); i++) {
            /* Ours is one more; the oldest go. */
            if (count - i < FORWARDED_FOR_MAX) {
                pen_put(pen, entry);
                PEN_PUT(pen, ", ");
            }
        }
    }
    pen_put(pen, request->peer_ip);
    PEN_PUT(pen, "\r\n");
}

/* The port that the client has asked: of the listener, or of the trusted proxy that it reached. */
static struct str client_port(const struct forward_request *request)
{
    struct str authority = request->message->authority;
    size_t at = authority.len;

    if (!request->trusted)
        return request->port;
    while (at > 0 && ascii_is_digit(authority.data[at - 1]))
        at--;
    if (at > 0 && at < authority.len && authority.data[at - 1] == ':')
        return str_slice(authority, at, authority.len);
    return str_eq(request->scheme, STR("https")) ? STR("443") : STR("80");
}

/* One proxy less. */
static void keep_hops(struct pen *pen, const struct field *field, uint64_t hops)
{
    pen_flush(pen);
    pen_put(pen, field->name);
    PEN_PUT(pen, ": ");
    pen_put_u64(pen, hops > 0 ? hops - 1 : 0);
    PEN_PUT(pen, "\r\n");
}

static void keep_request_fields(struct pen *pen, const struct forward_request *request)
{
    const struct message *message = request->message;
    uint64_t hops;
    bool counts_hops = message_hops_left(message, &hops);
    struct named named;

    named_collect(&named, message);
    for (unsigned i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (!request_keeps(request, field, &named))
            continue;
        if (field->id == FIELD_COOKIE)
            keep_cookies(pen, field, request->affinity_cookie);
        else if (field->id == FIELD_MAX_FORWARDS && counts_hops)
            keep_hops(pen, field, hops);
        else
            pen_keep(pen, field);
    }
    pen_flush(pen);
}

/* Who asked, through what: behind the received fields. */
static void put_request_origin(struct pen *pen, const struct forward_request *request)
{
    struct str authority = request->message->authority;

    put_forwarded_for(pen, request);
    if (!has_believed(request, FIELD_X_FORWARDED_PROTO))
        pen_line(pen, STR("X-Forwarded-Proto"), request->scheme);
    if (authority.len > 0 && !has_believed(request, FIELD_X_FORWARDED_HOST))
        pen_line(pen, STR("X-Forwarded-Host"), authority);
    if (!has_believed(request, FIELD_X_FORWARDED_PORT))
        pen_line(pen, STR("X-Forwarded-Port"), client_port(request));
    if (request->client_ip_header.len > 0)
        pen_line(pen, request->client_ip_header, request->client_ip);
    if (request->secret_header.len > 0 && request->secret.len > 0)
        pen_line(pen, request->secret_header, request->secret);
    pen_line(pen, STR("X-Request-ID"), forward_request_id(request->message, request->request_id));
    pen_via(pen, request->message, request->via);
}

void forward_request_head(const struct forward_request *request, struct buf *out)
{
    const struct message *message = request->message;
    struct pen pen;

    pen_open(&pen, out, request_bound(request));
    pen_put(&pen, message->method);
    PEN_PUT(&pen, " ");
    pen_put(&pen, forward_origin_form(message));
    PEN_PUT(&pen, " HTTP/1.1\r\n");
    pen_line(&pen, STR("Host"), request->host);
    keep_request_fields(&pen, request);
    put_request_origin(&pen, request);
    if (message->body == BODY_CHUNKED)
        PEN_PUT(&pen, "Transfer-Encoding: chunked\r\n");
    else if (message->has_content_length)
        pen_content_length(&pen, message->content_length);
    if (request->upgrade)
        put_upgrade(&pen, message->upgrade);
    PEN_PUT(&pen, "\r\n");
    pen_close(&pen);
}

/* ---- responses ---- */

static bool response_keeps(const struct field *field, const struct named *named)
{
    return field->id == FIELD_OTHER ? !named_has(named, field->name) : !is_ours_to_write(field->id);
}

static bool is_rewritten(enum field_id id)
{
    return id == FIELD_LOCATION || id == FIELD_CONTENT_LOCATION || id == FIELD_REFRESH;
}

/* A URL of the backend's becomes one of ours; any other stays as it is. */
static void keep_location(struct pen *pen, const struct forward_response *response,
                          const struct field *field)
{
    struct str value = field->value;
    struct str url = field->id == FIELD_REFRESH ? rewrite_refresh_url(value) : value;
    struct url_parts parts;

    /* A backend that was sent the client's Host means what it says, https for http included. */
    if (!rewrite_split(url, &parts) ||
        (!rewrite_names(&parts, response->backend_authority) &&
         !rewrite_names(&parts, response->server_authority)) ||
        rewrite_names(&parts, response->client_authority)) {
        pen_keep(pen, field);
        return;
    }
    pen_flush(pen);
    pen_put(pen, field->name);
    PEN_PUT(pen, ": ");
    pen_put(pen, str_from(value.data, (size_t)(url.data - value.data)));
    /* A backend that was reached without TLS and says https wants the client to come by it. With
     * the client's own scheme instead it would come as before, and go round in a circle. */
    bool is_wish = !response->backend_is_tls && str_eq_nocase(parts.scheme, STR("https"));
    if (parts.scheme.len > 0) {
        pen_put(pen, is_wish ? STR("https") : response->client_scheme);
        PEN_PUT(pen, ":");
    }
    PEN_PUT(pen, "//");
    pen_put(pen, response->client_authority);
    pen_put(pen, parts.rest);
    PEN_PUT(pen, "\r\n");
}

/* cookie_drop_domain only takes away. */
static void keep_set_cookie(struct pen *pen, const struct forward_response *response,
                            const struct field *field)
{
    struct str sent = rewrite_host(response->backend_authority);
    struct str own = rewrite_host(response->server_authority);

    pen_flush(pen);
    pen_put(pen, field->name);
    PEN_PUT(pen, ": ");
    pen_lend(pen);
    size_t before = buf_len(pen->out);
    cookie_drop_domain(field->value, sent, pen->out);
    if (buf_len(pen->out) - before == field->value.len && own.len > 0) {
        pen->out->end -= field->value.len;
        cookie_drop_domain(field->value, own, pen->out);
    }
    pen_take_back(pen);
    PEN_PUT(pen, "\r\n");
}

static size_t response_bound(const struct forward_response *response)
{
    const struct message *message = response->message;
    size_t rewritten = 0;

    for (unsigned i = 0; response->rewrite_location && i < message->count; i++)
        rewritten += is_rewritten(message->fields[i].id) ? 1 : 0;
    return pen_received_bytes(message) + message->count + FORWARD_EXTRA_BYTES + response->via.len +
           response->date.len + response->request_id.len + response->set_cookie.len +
           rewritten * (response->client_scheme.len + response->client_authority.len + 3);
}

static void put_response_framing(struct pen *pen, const struct forward_response *response)
{
    const struct message *message = response->message;
    bool may_have_length = message->status >= 200 && message->status != 204;

    if (response->upgrade) {
        PEN_PUT(pen, "Connection: upgrade\r\nUpgrade: ");
        pen_put(pen, message->upgrade);
        PEN_PUT(pen, "\r\n");
        return;
    }
    if (response->body == BODY_CHUNKED && may_have_length && message->status != 304)
        PEN_PUT(pen, "Transfer-Encoding: chunked\r\n");
    else if (message->has_content_length && may_have_length)
        pen_content_length(pen, message->content_length);
    if (!response->keep_alive)
        PEN_PUT(pen, "Connection: close\r\n");
    else if (response->client_minor == 0)
        PEN_PUT(pen, "Connection: keep-alive\r\n");
}

static void put_status_line(struct pen *pen, const struct message *message)
{
    PEN_PUT(pen, "HTTP/1.1 ");
    pen_put_u64(pen, message->status);
    PEN_PUT(pen, " ");
    pen_put(pen, message->reason);
    PEN_PUT(pen, "\r\n");
}

static void keep_response_fields(struct pen *pen, const struct forward_response *response)
{
    const struct message *message = response->message;
    struct named named;

    named_collect(&named, message);
    for (unsigned i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (!response_keeps(field, &named))
            continue;
        if (response->rewrite_location && is_rewritten(field->id))
            keep_location(pen, response, field);
        else if (response->rewrite_cookie_domain && field->id == FIELD_SET_COOKIE)
            keep_set_cookie(pen, response, field);
        else
            pen_keep(pen, field);
    }
    pen_flush(pen);
}

void forward_response_head(const struct forward_response *response, struct buf *out)
{
    const struct message *message = response->message;
    bool is_interim = message->status < 200 && !response->upgrade;
    struct pen pen;

    pen_open(&pen, out, response_bound(response));
    put_status_line(&pen, message);
    keep_response_fields(&pen, response);
    /* What is ours goes into the final response, which an interim one only announces. */
    if (!is_interim) {
        pen_via(&pen, message, response->via);
        if (response->date.len > 0 && message_find(message, FIELD_DATE) == NULL)
            pen_line(&pen, STR("Date"), response->date);
        if (response->request_id.len > 0 && message_find(message, FIELD_X_REQUEST_ID) == NULL)
            pen_line(&pen, STR("X-Request-ID"), response->request_id);
        if (response->set_cookie.len > 0)
            pen_line(&pen, STR("Set-Cookie"), response->set_cookie);
        put_response_framing(&pen, response);
    }
    PEN_PUT(&pen, "\r\n");
    pen_close(&pen);
}
