/*
 * pem.h - certificates and keys for the tests of this folder, and a folder of its own for each test
 * that they are written to. They are good until 2126 and protect nothing.
 */
#ifndef TESTS_CONFIG_PEM_H
#define TESTS_CONFIG_PEM_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* An authority. */
#define PEM_CA                                                           \
    "-----BEGIN CERTIFICATE-----\n"                                      \
    "MIIBizCCATGgAwIBAgIUP1jZILn+d8eZSRs6xBQyEEcgudcwCgYIKoZIzj0EAwIw\n" \
    "EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjEwOTI4MTNaGA8yMTI2MTAyODA5\n" \
    "MjgxM1owEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n" \
    "A0IABGes5tMTVmKSmcduhpXB7of1edDCiKZlM0o2EmSfBS4anAavXio67BHWmPiF\n" \
    "tKv5BjvflhMj+isckVvVFc1tEPijYzBhMB0GA1UdDgQWBBQUPh8v8C+zms+aCUm/\n" \
    "XNfzsP9nbTAfBgNVHSMEGDAWgBQUPh8v8C+zms+aCUm/XNfzsP9nbTAPBgNVHRMB\n" \
    "Af8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAKBggqhkjOPQQDAgNIADBFAiANUA1g\n" \
    "x2GeXbY9+YjnhSm6bEvXITK0ib5LriqzjQbQoAIhAOgqIEQ2RRfxCWT4fiqYPPp7\n" \
    "q1R6ZQF7rNu1re+eFBvg\n"                                             \
    "-----END CERTIFICATE-----\n"

/* By that authority, for www.example.org and *.example.org. */
#define PEM_LEAF                                                         \
    "-----BEGIN CERTIFICATE-----\n"                                      \
    "MIIBtDCCAVqgAwIBAgIUCkfnTAv+YdTyI8FNIAwy8Ph8L9kwCgYIKoZIzj0EAwIw\n" \
    "EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjEwOTI4MTNaGA8yMTI2MTAyODA5\n" \
    "MjgxM1owGjEYMBYGA1UEAwwPd3d3LmV4YW1wbGUub3JnMFkwEwYHKoZIzj0CAQYI\n" \
    "KoZIzj0DAQcDQgAEZJLvq3LPJkFB8X0CtZTizrMKO/t8c5VJxwSizFeSSI3W3gwA\n" \
    "R6OVliWjiylEuClKv4h69vGddiHhCWSF8FBWQ6OBgzCBgDApBgNVHREEIjAggg93\n" \
    "d3cuZXhhbXBsZS5vcmeCDSouZXhhbXBsZS5vcmcwEwYDVR0lBAwwCgYIKwYBBQUH\n" \
    "AwEwHQYDVR0OBBYEFJ4az7722vFaxGyOkF8ZfZzdPiKiMB8GA1UdIwQYMBaAFBQ+\n" \
    "Hy/wL7Oaz5oJSb9c1/Ow/2dtMAoGCCqGSM49BAMCA0gAMEUCIC0GFCBjaGSLPVSB\n" \
    "QATgf8xv3l8valWB3oTMHLj8KRzJAiEAoZi1/yv5tb6Ho/+HUZBb3b+7ZiCOBi7K\n" \
    "oznidnMFD7E=\n"                                                     \
    "-----END CERTIFICATE-----\n"

/* The key of PEM_LEAF. */
#define PEM_LEAF_KEY                                                     \
    "-----BEGIN PRIVATE KEY-----\n"                                      \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwmbxyKUy0pJBIOTK\n" \
    "NVcY2UXaQ1tKyFSOPf900VZAEfShRANCAARkku+rcs8mQUHxfQK1lOLOswo7+3xz\n" \
    "lUnHBKLMV5JIjdbeDABHo5WWJaOLKUS4KUq/iHr28Z12IeEJZIXwUFZD\n"         \
    "-----END PRIVATE KEY-----\n"

/* A key of nothing here. */
#define PEM_OTHER_KEY                                                    \
    "-----BEGIN PRIVATE KEY-----\n"                                      \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgO3zac7flApD6y3TG\n" \
    "SUBC7QAJVH+GqD2e6XaRtyd24AuhRANCAAQQS9lJAl6qIVPqjqj8kycyUPwaTUzN\n" \
    "RPvoymv/YxnV0XD0XPcehlPpdTR/ZqkvL4LsJSQbBujJ8sL64CFdjN1P\n"         \
    "-----END PRIVATE KEY-----\n"

/* The key of PEM_LEAF with a passphrase. */
#define PEM_LOCKED_KEY                                                   \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"                            \
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhcTctHmCBdIAICCAAw\n" \
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEOIQk6do/suJNdBpBfZsqswEgZCq\n" \
    "YGAMu2zO8pxauIzFUrZiyDCwDw7N19NBXX860lYbQaNA9wW8RbzUzFhKsBGgQBPI\n" \
    "HWcwIhhLuAjdgeN0IJ4QmVt9EWObEBAjAlEUkVCtm/S2MhKpuYGkoqR7nXAW5Snk\n" \
    "OnULWdRCsNpmJfXZlxjYUrLH4xQK4crrAsqTeBC1k4JqSdjrq/7OsY5TxDN9BzY=\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"

static const struct {
    const char *name, *content;
} PEM_FILES[] = {
    {"ca.pem", PEM_CA},
    {"leaf.pem", PEM_LEAF},
    {"again.pem", PEM_LEAF},
    {"chain.pem", PEM_LEAF PEM_CA},
    {"leaf.key", PEM_LEAF_KEY},
    {"other.key", PEM_OTHER_KEY},
    {"locked.key", PEM_LOCKED_KEY},
    {"text", "this is no PEM\n"},
    {"empty", ""},
};

static char pem_folder[32];

/* All files of PEM_FILES stand in the current folder afterwards, and nothing else but the folder
 * "webroot". The system's authorities are PEM_CA alone. */
static inline void pem_set_up(void)
{
    strncpy(pem_folder, "/tmp/test_config_XXXXXX", sizeof(pem_folder));
    cr_assert_not_null(mkdtemp(pem_folder));
    cr_assert_eq(chdir(pem_folder), 0);
    for (size_t i = 0; i < ARRAY_LEN(PEM_FILES); i++) {
        size_t len = strlen(PEM_FILES[i].content);
        int fd = open(PEM_FILES[i].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        cr_assert_geq(fd, 0);
        cr_assert_eq(write(fd, PEM_FILES[i].content, len), (ssize_t)len);
        close(fd);
    }
    cr_assert_eq(mkdir("webroot", 0700), 0);
    setenv("SSL_CERT_FILE", "ca.pem", 1);
    setenv("SSL_CERT_DIR", "webroot", 1);
}

static inline void pem_tear_down(void)
{
    for (size_t i = 0; i < ARRAY_LEN(PEM_FILES); i++)
        (void)unlink(PEM_FILES[i].name);
    (void)rmdir("webroot");
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(rmdir(pem_folder), 0);
}

#endif
