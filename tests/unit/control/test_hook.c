/* test_hook.c - a question to a URL, against a small server on a thread of its own: 2xx is a yes, and
 * everything else a no that says why. */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "control/hook.h"
#include "net/stream.h"

/* Takes one connection, reads a request, says `answer` and closes; NULL: says nothing, for long. */
struct origin {
    int listener;
    unsigned port;
    const char *answer;
    size_t repeat; /* so many times */
    char request[4096];
    pthread_t thread;
    bool is_running;
};

static uv_loop_t loop;
static struct stream_loop io; /* of `loop` */
static struct origin origin;
static unsigned answers;
static bool said_yes;
static char said[HOOK_DETAIL_BYTES];

static void on_answer(void *data, bool yes, const char *detail)
{
    cr_assert_eq(data, &origin);
    answers++;
    said_yes = yes;
    snprintf(said, sizeof(said), "%s", detail);
}

static void *serve(void *data)
{
    struct origin *here = data;
    int guest = accept(here->listener, NULL, NULL);
    size_t got = 0;
    ssize_t part = 1;

    while (guest >= 0 && part > 0 && strstr(here->request, "}") == NULL) {
        part = read(guest, here->request + got, sizeof(here->request) - 1 - got);
        got += part > 0 ? (size_t)part : 0;
    }
    for (size_t i = 0; here->answer != NULL && i < here->repeat; i++)
        if (send(guest, here->answer, strlen(here->answer), MSG_NOSIGNAL) < 0)
            break;
    /* Until the other end has had enough. */
    if (guest >= 0 && here->answer == NULL)
        while (read(guest, here->request, 1) > 0) {
        }
    if (guest >= 0)
        close(guest);
    return NULL;
}

static void listen_at(int family)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in6 bound;
    socklen_t len = sizeof(bound);
    const void *address = family == AF_INET ? (const void *)&v4 : &v6;

    origin.listener = socket(family, SOCK_STREAM, 0);
    cr_assert_eq(bind(origin.listener, address, family == AF_INET ? sizeof(v4) : sizeof(v6)), 0);
    cr_assert_eq(listen(origin.listener, 4), 0);
    cr_assert_eq(getsockname(origin.listener, (struct sockaddr *)&bound, &len), 0);
    origin.port = ntohs(bound.sin6_port);
}

static void start_origin(const char *answer)
{
    origin.answer = answer;
    origin.repeat = 1;
    cr_assert_eq(pthread_create(&origin.thread, NULL, serve, &origin), 0);
    origin.is_running = true;
}

static void setup(void)
{
    cr_assert_eq(uv_loop_init(&loop), 0);
    loop.data = &io;
    origin = (struct origin){.listener = -1};
    answers = 0;
}

static void teardown(void)
{
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0) {
    }
    if (origin.listener >= 0)
        shutdown(origin.listener, SHUT_RDWR);
    if (origin.is_running)
        pthread_join(origin.thread, NULL);
    if (origin.listener >= 0)
        close(origin.listener);
    stream_loop_deinit(&io);
    cr_assert_eq(uv_loop_close(&loop), 0, "every handle was closed");
}

TestSuite(hook, .init = setup, .fini = teardown);

/* The origin's port stands for '@'. */
static struct hook *ask_within(const char *pattern, uint64_t timeout_ms)
{
    int before = (int)strcspn(pattern, "@");
    char url[256];

    if (pattern[before] == '\0')
        snprintf(url, sizeof(url), "%s", pattern);
    else
        snprintf(url, sizeof(url), "%.*s%u%s", before, pattern, origin.port, pattern + before + 1);
    return hook_ask_within(&loop, str_of(url), STR("{\"step\":2}"), timeout_ms, on_answer, &origin);
}

static void wait_for_answer(void)
{
    cr_assert_eq(answers, 0, "not from within hook_ask");
    while (answers == 0)
        cr_assert_neq(uv_run(&loop, UV_RUN_ONCE) + (int)answers, 0);
    cr_assert_eq(answers, 1);
}

static void ask(const char *answer)
{
    listen_at(AF_INET);
    start_origin(answer);
    ask_within("http://127.0.0.1:@/gate?key=s3cret", 5000);
    wait_for_answer();
}

static void expect(bool yes, const char *words)
{
    cr_assert_eq(said_yes, yes, "%s", said);
    cr_assert_not_null(strstr(said, words), "said \"%s\"", said);
    cr_assert_null(strstr(said, "s3cret"), "said \"%s\"", said);
}

Test(hook, a_2xx_is_a_yes_and_all_else_a_no)
{
    static const struct {
        const char *answer;
        bool yes;
        const char *words;
    } sayings[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", true, "status 200"},
        {"HTTP/1.1 204 No Content\r\n\r\n", true, "status 204"},
        {"HTTP/1.1 299 Odd\r\nContent-Length: 100\r\n\r\n", true, "status 299"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", true, "status 200"},
        {"HTTP/1.1 302 Found\r\nLocation: /yes\r\n\r\n", false, "status 302"},
        {"HTTP/1.1 404 Not Found\r\n\r\n", false, "status 404"},
        {"HTTP/1.1 500 Oops\r\n\r\n", false, "status 500"},
        {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false, "101"},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", false, "malformed"},
        {"HTTP/1.1 200 OK\r\nContent-Le", false, "without an answer"},
        {"", false, "without an answer"},
    };

    for (unsigned i = 0; i < ARRAY_LEN(sayings); i++) {
        ask(sayings[i].answer);
        expect(sayings[i].yes, sayings[i].words);
        teardown();
        setup();
    }
}

Test(hook, what_is_sent)
{
    ask("HTTP/1.1 200 OK\r\n\r\n");
    cr_assert(str_starts_with(str_of(origin.request),
                              STR("POST /gate?key=s3cret HTTP/1.1\r\nHost: 127.0.0.1:")));
    cr_assert_not_null(strstr(origin.request, "\r\nContent-Type: application/json\r\n"));
    cr_assert_not_null(strstr(origin.request, "\r\nContent-Length: 10\r\n"));
    cr_assert_not_null(strstr(origin.request, "\r\n\r\n{\"step\":2}"));
}

Test(hook, a_query_without_a_path)
{
    listen_at(AF_INET);
    start_origin("HTTP/1.1 200 OK\r\n\r\n");
    ask_within("http://127.0.0.1:@?a=b", 5000);
    wait_for_answer();
    expect(true, "200");
    cr_assert(str_starts_with(str_of(origin.request), STR("POST /?a=b HTTP/1.1\r\n")));
}

Test(hook, an_ipv6_address)
{
    listen_at(AF_INET6);
    start_origin("HTTP/1.1 200 OK\r\n\r\n");
    ask_within("http://[::1]:@/", 5000);
    wait_for_answer();
    expect(true, "200");
    cr_assert_not_null(strstr(origin.request, "\r\nHost: [::1]:"));
}

Test(hook, a_name)
{
    listen_at(AF_INET);
    start_origin("HTTP/1.1 200 OK\r\n\r\n");
    ask_within("http://localhost:@/", 5000);
    wait_for_answer();
    expect(true, "200");
}

Test(hook, a_name_that_is_none)
{
    ask_within("http://no-such-name.invalid/x?s3cret=@", 3000);
    wait_for_answer();
    expect(false, "name");
}

Test(hook, nobody_listens)
{
    listen_at(AF_INET);
    close(origin.listener);
    origin.listener = -1;
    ask_within("http://127.0.0.1:@/", 5000);
    wait_for_answer();
    expect(false, "connection refused");
}

Test(hook, no_answer_in_time)
{
    uint64_t begun_ms = clock_mono_ms();

    listen_at(AF_INET);
    start_origin(NULL);
    ask_within("http://127.0.0.1:@/", 300);
    wait_for_answer();
    expect(false, "no answer within 300 ms");
    cr_assert_geq(clock_mono_ms() - begun_ms, 290);
    cr_assert_leq(clock_mono_ms() - begun_ms, 5000);
}

Test(hook, a_head_without_end)
{
    listen_at(AF_INET);
    start_origin("HTTP/1.1 200 OK\r\nX: 1234567890123456789012345678901234567890\r\nY: z");
    origin.repeat = 100000;
    ask_within("http://127.0.0.1:@/", 5000);
    wait_for_answer();
    cr_assert_not(said_yes, "%s", said);
}

Test(hook, a_server_without_tls)
{
    listen_at(AF_INET);
    start_origin("HTTP/1.1 200 OK\r\n\r\n}");
    ask_within("https://127.0.0.1:@/", 700);
    wait_for_answer();
    expect(false, "TLS");
}

Test(hook, urls_that_cannot_be_asked)
{
    static const char *const urls[] = {"ftp://127.0.0.1:@/",
                                       "http://",
                                       "http://:@/",
                                       "http://127.0.0.1:@/a b",
                                       "http://127.0.0.1:@/\r\nX: y",
                                       "127.0.0.1:@",
                                       "http://:s3cret:127.0.0.1/",
                                       ""};

    for (unsigned i = 0; i < ARRAY_LEN(urls); i++) {
        answers = 0;
        ask_within(urls[i], 1000);
        wait_for_answer();
        expect(false, "not a URL");
    }
}

Test(hook, after_a_cancel_nobody_is_told)
{
    /* at once, and in each state that it comes through */
    for (unsigned turns = 0; turns < 6; turns++) {
        struct hook *hook;

        if (turns > 0) {
            teardown();
            setup();
        }
        listen_at(AF_INET);
        start_origin(NULL);
        hook = ask_within(turns % 2 == 0 ? "http://localhost:@/" : "http://127.0.0.1:@/", 5000);
        for (unsigned i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
        hook_cancel(hook);
        while (uv_run(&loop, UV_RUN_NOWAIT) != 0) {
        }
        cr_assert_eq(answers, 0);
    }
}

Test(hook, its_place_holds_no_secret)
{
    static const char *const urls[][2] = {
        {"https://ci.example.org/x?key=s3cret", "https://ci.example.org"},
        {"http://10.0.0.1:8080?key", "http://10.0.0.1:8080"},
        {"http://[::1]:80/x@y", "http://[::1]:80"},
        {"https://user:s3cret@ci.example.org/", "https://"},
    };

    for (unsigned i = 0; i < ARRAY_LEN(urls); i++) {
        struct str place = hook_place(str_of(urls[i][0]));

        cr_assert(str_eq(place, str_of(urls[i][1])), "%.*s", STR_ARG(place));
    }
}
