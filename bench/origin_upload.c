/* /upload: reads a body and answers with its length and SHA-256.
 *
 * With slow=BYTES_PER_S the connection is not read while a debt of bytes is paid off in time, so
 * the sender's socket fills up: back-pressure as a busy application makes it.
 */
#include "origin.h"

#include <stdlib.h>

static void resume(struct conn *conn)
{
    conn->upload.debt = 0;
    conn->paused = false; /* conn_settle reads on */
}

void upload_head(struct conn *conn)
{
    if (conn->upload.digest == NULL)
        conn->upload.digest = EVP_MD_CTX_new();
    if (conn->upload.digest == NULL ||
        EVP_DigestInit_ex(conn->upload.digest, EVP_sha256(), NULL) != 1)
        abort();
    conn->upload.rate = request_query_number(conn, "slow", 1ull << 40, 0);
    conn->upload.debt = 0;
}

void upload_body(struct conn *conn, const char *at, size_t len)
{
    struct upload_job *upload = &conn->upload;
    if (EVP_DigestUpdate(upload->digest, at, len) != 1)
        abort();
    if (upload->rate == 0)
        return;
    upload->debt += len;
    uint64_t wait_ms = upload->debt * 1000 / upload->rate;
    if (wait_ms > 0) {
        conn->paused = true;
        conn_read_stop(conn);
        conn_after(conn, wait_ms, resume);
    }
}

void upload_answer(struct conn *conn)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(conn->upload.digest, sum, &len) != 1)
        abort();
    struct bytes json = {0};
    bytes_format(&json, "{\"backend\":\"%s\",\"bytes\":%llu,\"sha256\":\"", conn->origin->name,
                 (unsigned long long)conn->req.body_bytes);
    for (unsigned i = 0; i < len; i++)
        bytes_format(&json, "%02x", sum[i]);
    bytes_text(&json, "\"}\n");
    reply_json(conn, &json);
    bytes_free(&json);
    conn->upload.rate = 0;
    if (conn->paused) {
        uv_timer_stop(&conn->timer);
        resume(conn);
    }
}
