/*
 * names.h - a system in which the test says what names lead to: includes a getaddrinfo for the whole
 * test program. Names that end in ".fake" are answered from here, all others by the real one.
 *
 *     name_is("app.fake", "127.0.0.1 ::1");    what it leads to from now on
 *     name_fails("app.fake", EAI_AGAIN);
 *     name_hangs("app.fake");                  until it is or fails
 *     name_asked("app.fake")                   how often so far
 */
#ifndef TESTS_NAMES_H
#define TESTS_NAMES_H

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

#define NAMES_MAX 320

struct name {
    char host[64];
    char addrs[4096];
    int status;
    bool hangs;
    unsigned asked, running;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct name names[NAMES_MAX];
    unsigned count;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Locked. One that has not been set does not exist. */
static struct name *name_entry(const char *host)
{
    for (unsigned i = 0; i < names.count; i++)
        if (strcmp(names.names[i].host, host) == 0)
            return &names.names[i];
    CHECK(names.count < NAMES_MAX && strlen(host) < sizeof(names.names[0].host));
    struct name *name = &names.names[names.count++];
    snprintf(name->host, sizeof(name->host), "%s", host);
    name->status = EAI_NONAME;
    return name;
}

static inline void name_set(const char *host, const char *addrs, int status, bool hangs)
{
    pthread_mutex_lock(&names.lock);
    struct name *name = name_entry(host);
    CHECK(strlen(addrs) < sizeof(name->addrs));
    memcpy(name->addrs, addrs, strlen(addrs) + 1);
    name->status = status;
    name->hangs = hangs;
    pthread_cond_broadcast(&names.changed);
    pthread_mutex_unlock(&names.lock);
}

static inline void name_is(const char *host, const char *addrs)
{
    name_set(host, addrs, 0, false);
}

static inline void name_fails(const char *host, int status)
{
    name_set(host, "", status, false);
}

static inline void name_hangs(const char *host)
{
    name_set(host, "", 0, true);
}

static inline unsigned name_asked(const char *host)
{
    pthread_mutex_lock(&names.lock);
    unsigned asked = name_entry(host)->asked;
    pthread_mutex_unlock(&names.lock);
    return asked;
}

/* Questions about it that have not been answered yet. */
static inline unsigned name_running(const char *host)
{
    pthread_mutex_lock(&names.lock);
    unsigned running = name_entry(host)->running;
    pthread_mutex_unlock(&names.lock);
    return running;
}

typedef int (*getaddrinfo_fn)(const char *, const char *, const struct addrinfo *,
                              struct addrinfo **);

static int system_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                              struct addrinfo **found)
{
    getaddrinfo_fn next = (getaddrinfo_fn)dlsym(RTLD_NEXT, "getaddrinfo");

    return next(host, service, hints, found);
}

/* A chain of one entry for each address; the real freeaddrinfo frees it one by one. */
static struct addrinfo *name_chain(char *addrs)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *first = NULL, **end = &first;
    char *rest = addrs, *addr;

    while ((addr = strsep(&rest, " ")) != NULL) {
        CHECK(system_getaddrinfo(addr, NULL, &hints, end) == 0);
        end = &(*end)->ai_next;
    }
    return first;
}

/* Waits as long as the name hangs. */
static int name_answer(const char *host, char *addrs, size_t size)
{
    pthread_mutex_lock(&names.lock);
    struct name *name = name_entry(host);
    name->asked++;
    name->running++;
    while (name->hangs)
        pthread_cond_wait(&names.changed, &names.lock);
    snprintf(addrs, size, "%s", name->addrs);
    int status = name->status;
    name->running--;
    pthread_mutex_unlock(&names.lock);
    return status;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    char addrs[sizeof(names.names[0].addrs)] = "";
    size_t len = host == NULL ? 0 : strlen(host);

    if (len < 5 || strcmp(host + len - 5, ".fake") != 0)
        return system_getaddrinfo(host, service, hints, found);
    int status = name_answer(host, addrs, sizeof(addrs));
    if (status == 0)
        *found = name_chain(addrs);
    return status;
}

#endif
