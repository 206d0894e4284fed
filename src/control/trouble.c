/* trouble.c - UV_E*, and what TLS knows of it -> words. */
#include "control/trouble.h"

#include <stdio.h>

void trouble_describe(const struct stream *stream, int status, bool is_shaking,
                      char text[TROUBLE_BYTES])
{
    struct tls_link_info info;

    if (status == UV_EPROTO && stream_tls_fault(stream) == TLS_UNTRUSTED) {
        stream_tls_inspect(stream, &info);
        snprintf(text, TROUBLE_BYTES, "TLS: %s%s%.100s%s", stream_tls_error(stream),
                 info.has_certificate ? " (shown: " : "", info.subject,
                 info.has_certificate ? ")" : "");
    } else if (status == UV_EPROTO) {
        snprintf(text, TROUBLE_BYTES, "TLS: %s", stream_tls_error(stream));
    } else if (is_shaking) {
        snprintf(text, TROUBLE_BYTES, "TLS handshake: %s", uv_strerror(status));
    } else {
        snprintf(text, TROUBLE_BYTES, "%s", uv_strerror(status));
    }
}
