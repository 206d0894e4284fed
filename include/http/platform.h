/*
 * platform.h - is an answer the application's, or did the platform in front of it answer instead?
 *
 * During a move the two must not be mixed up: a platform that cannot reach its application is down,
 * whatever the application's own error pages mean. Told from the head alone:
 *
 *     x-railway-fallback: true   Railway's edge. 404: no such service, paused or waking; the request
 *                                never reached an application. 502, 503, 504: none has answered.
 *     502, 503, 504              with nothing in it that an application would add: the error page
 *                                of a load balancer (ALB, Lightsail) or of an nginx by itself.
 *
 * Nothing that an application would add: a Content-Type of text/html, without a charset; Server
 * absent, awselb, nginx, openresty or Tengine; and nothing else but Date, framing, Connection,
 * Keep-Alive, Via, X-Amz*, and the cookies of a balancer. The charset matters: a framework names it
 * in its own pages (Flask, Starlette and Express do), also through an nginx that puts its name over
 * the framework's. What this gets wrong: an application's page as bare as that is taken for the
 * platform's, and an nginx that was told to add anything (`charset`, `add_header ... always`, an
 * error_page) is taken for the application.
 */
#ifndef HTTP_PLATFORM_H
#define HTTP_PLATFORM_H

#include "http/message.h"

enum platform_fault {
    PLATFORM_NONE = 0, /* the application's answer */
    PLATFORM_404,      /* no application has seen the request */
    PLATFORM_502,      /* an application may have seen it: these three */
    PLATFORM_503,
    PLATFORM_504,
};

/* Cheap for every status but these four: it is asked of each response. */
enum platform_fault platform_fault(const struct message *response);

#endif
