/*
 * words.h - the texts of a configuration that must follow a rule: names, paths, hosts, URLs.
 *
 * All have one shape, so that a schema can name the rule of a key. A text that breaks its rule is
 * refused with what is expected, without the text itself (see values.h).
 */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include "base/error.h"
#include "net/addr.h"

typedef bool (*word_rule_cb)(struct str text, struct error *error);

/* The label of a backend: 1..32 of A-Z a-z 0-9 . _ - */
bool word_label(struct str text, struct error *error) MUST_CHECK;

/* 1..32 of a-z 0-9 _ - and not ROUTE_MAIN. */
bool word_route_name(struct str text, struct error *error) MUST_CHECK;

/* Begins with '/', visible ASCII, without ? # * \ and without quotes. */
bool word_route_path(struct str text, struct error *error) MUST_CHECK;

/* The path of a health check: as word_route_path, and a query is allowed. */
bool word_check_path(struct str text, struct error *error) MUST_CHECK;

/* A cookie's Path: begins with '/', visible ASCII without ';'. */
bool word_cookie_path(struct str text, struct error *error) MUST_CHECK;

/* A token (RFC 9110 5.6.2) of at most 64 bytes: cookie names, methods, header names. */
bool word_is_token(struct str text);
bool word_cookie_name(struct str text, struct error *error) MUST_CHECK;
bool word_method(struct str text, struct error *error) MUST_CHECK;
bool word_header(struct str text, struct error *error) MUST_CHECK;

/* A header that we may add or take away: none of those that frame or route a message. */
bool word_own_header(struct str text, struct error *error) MUST_CHECK;

/* "example.org": letters, digits, '-' and '_' in labels of 1..63 bytes, 253 in all; the last one
 * is not all digits, so that a mistyped address is not taken for a name. */
bool word_is_host_name(struct str text);
bool word_domain(struct str text, struct error *error) MUST_CHECK;

/* A domain that a certificate is for; its first label may be "*". */
bool word_certificate_name(struct str text, struct error *error) MUST_CHECK;

/* HOST or HOST:PORT, as it stands in a Host header: a name, an IPv4 or an IPv6 in brackets. */
bool word_authority(struct str text, struct error *error) MUST_CHECK;

/* A path in the file system. */
bool word_file(struct str text, struct error *error) MUST_CHECK;

/* HOST[:PORT] taken apart. */
struct word_host {
    struct str host; /* without brackets */
    uint16_t port;   /* 0: none was written */
    bool is_name;    /* else `address` is set, with the port */
    struct addr address;
};
bool word_host_split(struct str text, struct word_host *host) MUST_CHECK;

#endif
