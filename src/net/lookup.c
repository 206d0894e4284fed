/*
 * lookup.c - one question, one thread, any number who ask:
 *
 *     lookup_start ---> question ---> thread: getaddrinfo ... answer
 *     lookup_start -----^   ^                          |
 *     (the same name)       +------ uv_async_send -----+     on_wake -> each who asked
 *
 * A question is held twice, by its thread and by the loop, and freed by who lets go last. Nothing
 * but the lock decides between an answer and lookups_free: a question that has been given up must
 * not be sent to the loop, whose memory may be gone by then.
 */
#include "net/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"

/* The resolver of glibc and its modules stay well below this; most of it is never touched. */
#define STACK_BYTES ((size_t)512 * 1024)

struct lookups {
    uv_loop_t *loop;       /* borrowed */
    struct list questions; /* under way */
    unsigned count;        /* of them */
};

struct question {
    struct list node;
    struct lookups *lookups; /* borrowed; not to be touched once it has been given up */
    struct list askers;
    char *host; /* owned */
    uv_async_t wake;
    struct lookup_answer answer; /* the thread's until is_answered */
    struct {
        _Atomic unsigned refs; /* the thread, the loop */
        pthread_mutex_t lock;
        bool is_answered;
        bool is_given_up;
    } shared;
};

struct lookup {
    struct list node; /* in question->askers */
    lookup_cb on_answer;
    void *data; /* borrowed */
};

static void question_unref(struct question *question)
{
    if (atomic_fetch_sub_explicit(&question->shared.refs, 1, memory_order_acq_rel) > 1)
        return;
    pthread_mutex_destroy(&question->shared.lock);
    mem_free(question->host);
    mem_free(question);
}

/* On the thread: the answer */

static bool is_link_local_v4(const struct addr *addr)
{
    return ntohl(addr->v4.sin_addr.s_addr) >> 16 == 0xa9fe; /* 169.254 */
}

static bool is_no_server(const struct addr *addr)
{
    if (addr_is_any(addr))
        return true;
    if (addr->any.sa_family == AF_INET) {
        return is_link_local_v4(addr) || IN_MULTICAST(ntohl(addr->v4.sin_addr.s_addr)) ||
               addr->v4.sin_addr.s_addr == htonl(INADDR_BROADCAST);
    }
    if (IN6_IS_ADDR_LINKLOCAL(&addr->v6.sin6_addr))
        return addr->v6.sin6_scope_id == 0;
    return IN6_IS_ADDR_MULTICAST(&addr->v6.sin6_addr);
}

static bool is_known(const struct lookup_answer *answer, const struct addr *addr)
{
    for (unsigned i = 0; i < answer->count; i++)
        if (addr_eq(&answer->addrs[i], addr))
            return true;
    return false;
}

static void take_addr(struct lookup_answer *answer, const struct sockaddr *found)
{
    struct addr addr = addr_from_sockaddr(found);
    char text[ADDR_TEXT_BYTES];

    addr_set_port(&addr, 0);
    if (is_no_server(&addr)) {
        struct str ip = addr_format_ip(&addr, text);
        snprintf(answer->trouble, sizeof(answer->trouble),
                 "the name leads to %.*s, which is no server's address", STR_ARG(ip));
    } else if (!is_known(answer, &addr)) {
        answer->addrs[answer->count++] = addr;
    }
}

static void take_addrs(struct lookup_answer *answer, const struct addrinfo *found)
{
    snprintf(answer->trouble, sizeof(answer->trouble), "the name has no address");
    for (; found != NULL && answer->count < LOOKUP_ADDRS_MAX; found = found->ai_next)
        if (found->ai_family == AF_INET || found->ai_family == AF_INET6)
            take_addr(answer, found->ai_addr);
    if (answer->count > 0)
        answer->trouble[0] = '\0';
}

static void take_trouble(struct lookup_answer *answer, int status, int number)
{
    char text[LOOKUP_TROUBLE_BYTES];
    const char *trouble = gai_strerror(status);

    switch (status) {
    case EAI_NONAME:
        trouble = "there is no such name";
        break;
#ifdef EAI_NODATA
    case EAI_NODATA:
        trouble = "the name has no address";
        break;
#endif
    case EAI_AGAIN:
        trouble = "the name servers do not answer, or fail";
        break;
    case EAI_FAIL:
        trouble = "the name servers refuse to answer";
        break;
    case EAI_SYSTEM:
        trouble = uv_strerror_r(uv_translate_sys_error(number), text, sizeof(text));
        break;
    default:
        break;
    }
    snprintf(answer->trouble, sizeof(answer->trouble), "%s", trouble);
}

static void ask_system(const char *host, struct lookup_answer *answer)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(host, NULL, &hints, &found);

    if (status != 0) {
        take_trouble(answer, status, errno);
        return;
    }
    take_addrs(answer, found);
    freeaddrinfo(found);
}

static void deliver(struct question *question)
{
    pthread_mutex_lock(&question->shared.lock);
    question->shared.is_answered = true;
    if (!question->shared.is_given_up)
        uv_async_send(&question->wake);
    pthread_mutex_unlock(&question->shared.lock);
    question_unref(question);
}

static void *thread_main(void *data)
{
    struct question *question = data;

    pthread_setname_np(pthread_self(), "lookup"); /* for whoever counts the threads */
    ask_system(question->host, &question->answer);
    deliver(question);
    return NULL;
}

/* On the loop: questions */

static void on_closed(uv_handle_t *handle)
{
    question_unref(handle->data);
}

/* From here on who asks for the name asks anew. */
static void question_close(struct question *question)
{
    list_remove(&question->node);
    question->lookups->count--;
    uv_close((uv_handle_t *)&question->wake, on_closed);
}

/* Who is told may cancel others that wait for the same answer. */
static void tell_askers(struct question *question)
{
    struct lookup *lookup;

    while ((lookup = LIST_FIRST(&question->askers, struct lookup, node)) != NULL) {
        lookup_cb on_answer = lookup->on_answer;
        void *data = lookup->data;

        lookup_cancel(lookup);
        on_answer(data, &question->answer);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct question *question = wake->data;

    pthread_mutex_lock(&question->shared.lock);
    bool is_answered = question->shared.is_answered;
    pthread_mutex_unlock(&question->shared.lock);
    if (is_answered) {
        question_close(question);
        tell_askers(question);
    }
}

/* A thread of its own that nobody waits for. Signals are for the main thread. */
static int start_thread(struct question *question)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attr, thread_main, question);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return failed;
}

/* Without a thread: the answer is on its way at once. */
static void fail_question(struct question *question, const char *trouble)
{
    snprintf(question->answer.trouble, sizeof(question->answer.trouble), "%s", trouble);
    deliver(question);
}

static struct question *question_new(struct lookups *lookups, const char *host)
{
    struct question *question = mem_zalloc(1, sizeof(*question));

    question->lookups = lookups;
    question->host = mem_strdup(host);
    list_init(&question->askers);
    CHECK(uv_async_init(lookups->loop, &question->wake, on_wake) == 0);
    question->wake.data = question;
    atomic_init(&question->shared.refs, 2);
    pthread_mutex_init(&question->shared.lock, NULL);
    list_push_back(&lookups->questions, &question->node);
    lookups->count++;
    return question;
}

static struct question *ask(struct lookups *lookups, const char *host)
{
    struct question *question = question_new(lookups, host);

    if (lookups->count > LOOKUPS_MAX)
        fail_question(question, "too many look-ups are under way");
    else if (start_thread(question) != 0)
        fail_question(question, "the system gives no thread for the look-up");
    return question;
}

static struct question *find_question(const struct lookups *lookups, const char *host)
{
    LIST_FOREACH (&lookups->questions, node) {
        struct question *question = CONTAINER_OF(node, struct question, node);

        if (strcmp(question->host, host) == 0)
            return question;
    }
    return NULL;
}

/* Public */

struct lookups *lookups_new(uv_loop_t *loop)
{
    struct lookups *lookups = mem_zalloc(1, sizeof(*lookups));

    lookups->loop = loop;
    list_init(&lookups->questions);
    return lookups;
}

void lookups_free(struct lookups *lookups)
{
    LIST_FOREACH (&lookups->questions, node) {
        struct question *question = CONTAINER_OF(node, struct question, node);

        CHECK(list_is_empty(&question->askers));
        pthread_mutex_lock(&question->shared.lock);
        question->shared.is_given_up = true;
        pthread_mutex_unlock(&question->shared.lock);
        question_close(question);
    }
    mem_free(lookups);
}

struct lookup *lookup_start(struct lookups *lookups, const char *host, lookup_cb on_answer,
                            void *data)
{
    struct question *question = find_question(lookups, host);
    struct lookup *lookup = mem_zalloc(1, sizeof(*lookup));

    if (question == NULL)
        question = ask(lookups, host);
    lookup->on_answer = on_answer;
    lookup->data = data;
    list_push_back(&question->askers, &lookup->node);
    return lookup;
}

void lookup_cancel(struct lookup *lookup)
{
    list_remove(&lookup->node);
    mem_free(lookup);
}
