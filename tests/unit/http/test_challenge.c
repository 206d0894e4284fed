#include "http/challenge.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define T64  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
#define T128 T64 T64

static void expect_token(struct str path, const char *wanted)
{
    struct str token = {NULL, 0};

    cr_expect(challenge_token(path, &token), "%.*s", STR_ARG(path));
    cr_expect(token.data != NULL && str_eq(token, str_of(wanted)), "%.*s: \"%.*s\"", STR_ARG(path),
              STR_ARG(token));
}

Test(challenge, tokens_are_base64url)
{
    expect_token(STR(CHALLENGE_FOLDER "a"), "a");
    expect_token(STR(CHALLENGE_FOLDER "-"), "-");
    expect_token(STR("/.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"),
                 "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0");
    expect_token(STR(CHALLENGE_FOLDER T128), T128);
}

Test(challenge, nothing_else_below_the_folder_is_a_token)
{
    static const char *const ROWS[] = {
        "",    "/",        ".",    "..",     "../a",
        "a/",  "a/b",      "/a",   "a.txt",  "a%2e",
        "%61", "a b",      "a=",   "a+b",    "a\\b",
        "a;b", "a~",       "@",    "[",      "`",
        "{",   "\xc3\xa9", "\x7f", T128 "a", "a/../../state.json",
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        char path[256];
        snprintf(path, sizeof(path), CHALLENGE_FOLDER "%s", ROWS[i]);
        expect_token(str_of(path), "");
    }
    expect_token(STR(CHALLENGE_FOLDER "a\0b"), "");
}

Test(challenge, other_paths_are_the_applications)
{
    static const char *const ROWS[] = {
        "/",
        "*",
        "/.well-known/acme-challenge",
        "/.well-known/acme-challengea",
        "/.well-known/acme-challenges/a",
        "/.Well-Known/acme-challenge/a",
        "/.well-known//acme-challenge/a",
        "//.well-known/acme-challenge/a",
        "/a/.well-known/acme-challenge/a",
        "/%2ewell-known/acme-challenge/a",
        "/.well-known/security.txt",
    };
    struct str token = STR("untouched");

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        cr_expect_not(challenge_token(str_of(ROWS[i]), &token), "%s", ROWS[i]);
    cr_expect_not(challenge_token((struct str){NULL, 0}, &token));
    cr_expect(str_eq(token, STR("untouched")));
}
