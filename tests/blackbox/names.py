"""A world of names and addresses for one process, laid over the system's by a library of the test.

    names = Names(folder)
    names.set("app.test", "127.0.0.1", "::1")           what the name leads to
    names.place("203.0.113.7", 443, server)             what listens there is really `server`
    NamedProxy(shim, names, old, new, {...})            a proxy that lives in it
    in_world(shim, names)                               the environment of any program that does

Names that end in .test do not exist unless they are set; all others are the system's unless they are
set. `shim` is a fixture for those who import it.
"""

import os
import shutil
import subprocess

import pytest

from cutover import Proxy

SHIM = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);
typedef int with_address(int, const struct sockaddr *, socklen_t);

/* Lines of the file are "NAME ADDRESS...", "NAME !ERROR", "NAME !hang" or "PLACE PORT", of which the
 * last says at which port of 127.0.0.1 the place ADDRESS:PORT is. */
static int find(const char *name, char line[4096])
{
    FILE *file = fopen(getenv("TEST_NAMES"), "r");
    size_t len = strlen(name);
    int found = 0;

    while (file != NULL && !found && fgets(line, 4096, file) != NULL)
        found = strncmp(line, name, len) == 0 && line[len] == ' ';
    if (file != NULL)
        fclose(file);
    return found;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    lookup *next = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    size_t len = name == NULL ? 0 : strlen(name);
    int is_ours = len >= 5 && strcmp(name + len - 5, ".test") == 0;
    char line[4096], *rest = line, *word;

    do {
        if (len == 0 || !find(name, line))
            return is_ours ? EAI_NONAME : next(name, service, hints, result);
    } while (strstr(line, "!hang") != NULL && usleep(20000) == 0);
    if (strstr(line, "!again") != NULL)
        return EAI_AGAIN;
    *result = NULL;
    strsep(&rest, " \n");
    while ((word = strsep(&rest, " \n")) != NULL && *word != '\0') {
        if (next(word, service, &numeric, result) != 0)
            abort();
        result = &(*result)->ai_next;
    }
    return 0;
}

static int at_place(const char *call, int fd, const struct sockaddr *address, socklen_t len)
{
    with_address *next = (with_address *)dlsym(RTLD_NEXT, call);
    struct sockaddr_in real;
    char host[INET_ADDRSTRLEN], place[64], line[4096];

    if (address == NULL || len != sizeof(real) || address->sa_family != AF_INET)
        return next(fd, address, len);
    memcpy(&real, address, len);
    inet_ntop(AF_INET, &real.sin_addr, host, sizeof(host));
    snprintf(place, sizeof(place), "%s:%d", host, ntohs(real.sin_port));
    if (find(place, line)) {
        real.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        real.sin_port = htons((unsigned short)atoi(line + strlen(place)));
    }
    return next(fd, (struct sockaddr *)&real, len);
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return at_place("connect", fd, address, len);
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return at_place("bind", fd, address, len);
}
"""


class Names:
    """What the names lead to, from the next look-up on."""

    def __init__(self, folder):
        self.file, self.lines = folder / "names", {}
        self.write()

    def write(self):
        fresh = self.file.with_suffix(".new")
        fresh.write_text("".join(f"{name} {what}\n" for name, what in self.lines.items()))
        os.replace(fresh, self.file)

    def set(self, name, *addresses):
        self.lines[name] = " ".join(addresses)
        self.write()

    def place(self, address, port, real_port):
        """Whoever connects there, or listens there, does so at 127.0.0.1 and the real port."""
        self.set(f"{address}:{port}", str(real_port))

    def fail(self, name):
        """The name servers fail."""
        self.set(name, "!again")

    def hang(self, name):
        """The look-up does not return before the name is set to something else."""
        self.set(name, "!hang")

    def forget(self, name):
        """There is no such name any more."""
        del self.lines[name]
        self.write()


def in_world(shim, names, env=None):
    """The environment of a process that lives there."""
    env = dict(os.environ if env is None else env)
    asan = env.get("ASAN_OPTIONS", "")
    return {**env, "LD_PRELOAD": str(shim), "TEST_NAMES": str(names.file),
            "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0"}


class NamedProxy(Proxy):
    """A proxy in a world of `names`."""

    def __init__(self, shim, names, *args, **kwargs):
        self.shim, self.names = shim, names
        super().__init__(*args, **kwargs)

    def environment(self):
        return in_world(self.shim, self.names, super().environment())


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("names")
    (folder / "names.c").write_text(SHIM)
    subprocess.run([compiler, "-Wall", "-shared", "-fPIC", "-o", folder / "names.so",
                    folder / "names.c", "-ldl"], check=True, timeout=60)
    return folder / "names.so"
