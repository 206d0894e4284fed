/* cookie.h - the Cookie and Set-Cookie fields (RFC 6265), as far as an affinity cookie needs them.
 */
#ifndef HTTP_COOKIE_H
#define HTTP_COOKIE_H

#include "http/message.h"

/*
 * The value of the `nth` cookie (from 0) called `name` (case matters) in all Cookie fields, as it
 * stands; false when there are not so many. Linear in the length of the fields.
 */
bool cookie_find(const struct message *message, struct str name, unsigned nth, struct str *value);

/*
 * Appends the value of one Cookie field without the cookies called `name`; nothing is appended when
 * none is left. Returns whether anything was appended.
 */
bool cookie_strip(struct str field_value, struct str name, struct buf *out);

enum same_site { SAME_SITE_LAX = 0, SAME_SITE_STRICT, SAME_SITE_NONE };

struct cookie_attributes {
    struct str name;
    struct str path;
    struct str domain; /* empty: host-only */
    uint64_t max_age_s;
    enum same_site same_site;
    bool secure;
};

/* "NAME=VALUE; Path=/; Max-Age=..; [Domain=..;] [Secure;] HttpOnly; SameSite=Lax": no field name.
 */
void cookie_format(const struct cookie_attributes *attributes, struct str value, struct buf *out);

/*
 * Appends a Set-Cookie value with its Domain attribute taken out when that domain is `domain` or
 * a parent of it that ends in it (leading dot ignored, letters without case); as it is otherwise.
 * The cookie then belongs to the host that the browser asked, which is what the application meant.
 */
void cookie_drop_domain(struct str set_cookie, struct str domain, struct buf *out);

#endif
