/*
 * rewrite.h - URLs in responses that name the backend, and must name what the client asked.
 */
#ifndef HTTP_REWRITE_H
#define HTTP_REWRITE_H

#include "base/str.h"

/* A URL in three: "http", "host:80", "/path". The scheme is empty in "//host/path". */
struct url_parts {
    struct str scheme;
    struct str authority;
    struct str rest;
};

/* False when `url` has no authority (a path), or is not http or https. */
bool rewrite_split(struct str url, struct url_parts *parts);

/*
 * Whether the URL's authority is `authority`, letters without case; the default port of the URL's
 * scheme is the same as none.
 */
bool rewrite_names(const struct url_parts *parts, struct str authority);

/* The URL in a value of Refresh ("5; url=/x"), without an opening quote; empty when there is none.
 */
struct str rewrite_refresh_url(struct str value);

/* The host of "host", "host:80" or "[::1]:80". */
struct str rewrite_host(struct str authority);

/* The same without the brackets, and without a dot at its end: what certificates and resolvers
 * know it by. */
struct str rewrite_bare_host(struct str authority);

#endif
