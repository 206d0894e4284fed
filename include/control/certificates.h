/*
 * certificates.h - TLS as the files say it now: keys of the listeners and of the admin port, trust
 * towards both sides.
 *
 *     start, reload:  configuration -> certificates_prepare -> certificates_adopt -> next snapshot
 *     every 2 s:      a file has changed -> read again -> next snapshot
 *                                        -> cannot be used -> told once, the one before goes on
 *
 * Also renews the key that session tickets are sealed with, and says when a certificate is about to
 * expire. Part of the controller; one thread.
 */
#ifndef CONTROL_CERTIFICATES_H
#define CONTROL_CERTIFICATES_H

#include <uv.h>

#include "config/config.h"

struct controller;

/* How often files are looked at, how long one key seals tickets, and from when on a certificate's
 * end is told. */
#define CERTIFICATES_EVERY_MS  2000
#define CERTIFICATES_TICKET_MS (12 * 3600 * 1000)
#define CERTIFICATES_WARN_DAYS 14

struct certificates;

/* Nothing loaded yet. */
struct certificates *certificates_new(struct controller *controller);

/* All that `config` asks for, read from its files; nothing of it is used before certificates_adopt.
 * False: the error names the file and what is wrong with it, and everything stays as it is. */
bool certificates_prepare(struct certificates *certificates, const struct config *config,
                          struct error *error) MUST_CHECK;

/* What was prepared last counts from here on: for the snapshots that follow. */
void certificates_adopt(struct certificates *certificates);

/* Starts looking at the files. */
void certificates_start(struct certificates *certificates);
void certificates_stop(
    struct certificates *certificates); /* its timer closes as the loop runs on */
void certificates_free(struct certificates *certificates); /* NULL is allowed */

/* Borrowed until the next change; NULL: plain. */
struct tls_keys *certificates_listener(const struct certificates *certificates, unsigned listener);
struct tls_keys *certificates_admin(const struct certificates *certificates);
struct tls_trust *certificates_trust(const struct certificates *certificates, enum side side);

/* One certificate that is shown to clients, for status, warnings and metrics. */
struct certificate_facts {
    struct str listen; /* the address, or "admin" */
    const char *name;
    int64_t not_after_s;
    const char *trouble; /* why its files are not used as they are now; empty: they are */
};

unsigned certificates_count(const struct certificates *certificates);
struct certificate_facts certificates_facts(const struct certificates *certificates,
                                            unsigned index);

#endif
