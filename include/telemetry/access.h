/*
 * access.h - the access line: one JSON object for each request, written when it has ended.
 *
 * {"time":"...","level":"info","message":"request","request_id":"...","client":"1.2.3.4",
 *  "method":"GET","host":"example.org","path":"/x","status":200,"outcome":"ok","backend":"new",
 *  "server":"http://10.0.0.5:3000","route":"main","reason":"cookie","bucket":427,"attempts":1,
 *  "first_byte_ms":1.3,"duration_ms":1.9,"bytes_in":0,"bytes_out":512}
 *
 * The query is never written (it may hold secrets), nor any header but Host. Level is warn for our
 * own 5xx answers and for what a server did wrong, else info.
 */
#ifndef TELEMETRY_ACCESS_H
#define TELEMETRY_ACCESS_H

#include "base/buf.h"
#include "telemetry/outcome.h"
#include "traffic/decide.h"

enum access_policy { ACCESS_ALL = 0, ACCESS_SAMPLED, ACCESS_ERRORS, ACCESS_OFF };

struct access_entry {
    uint64_t wall_ms;
    struct str request_id, client, method, host, path, server, route;
    struct str detail; /* why an attempt failed, where the outcome alone does not say; or empty */
    bool has_decision; /* side, reason, route and bucket are known */
    enum side side;
    enum reason reason;
    bool has_bucket;
    unsigned bucket;
    unsigned status; /* sent to the client; 0: none */
    enum outcome outcome;
    unsigned attempts;
    bool lasts;             /* a tunnel or an event stream: as long as somebody listens */
    uint64_t first_byte_us; /* 0: none came */
    uint64_t duration_us;
    uint64_t bytes_in, bytes_out;
};

/* Whether the line is to be written: errors always unless ACCESS_OFF; the rest by policy, `ordinal`
 * counting requests for the sample (one of ACCESS_SAMPLE_EVERY). An error is a status >= 500, an
 * outcome that is blamed on a server or on us (what was cut too), a refusal of our own, which no
 * application knows of, and what took more than slow_ms; what lasts is slow when its head was. */
#define ACCESS_SAMPLE_EVERY 100
bool access_wanted(enum access_policy policy, uint64_t slow_ms, const struct access_entry *entry,
                   uint64_t ordinal);

/* Appends the line with its newline. */
void access_format(const struct access_entry *entry, struct buf *out);

#endif
