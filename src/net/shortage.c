/* shortage.c - by the error, and, where that says two things, by asking the kernel. */
#include "net/shortage.h"

#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* Asked with UDP, which sends nothing, and whose ports are others. */
static bool has_way_to(const struct addr *to)
{
    int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has_way = fd == -1 || connect(fd, &to->any, addr_len(to)) == 0;

    if (fd != -1)
        close(fd);
    return has_way;
}

bool shortage_is_ours(int status, const struct addr *to)
{
    switch (status) {
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOBUFS:
    case UV_ENOMEM:
    case UV_EAGAIN:
        return true;
    case UV_EADDRNOTAVAIL:
        return to != NULL && has_way_to(to);
    default:
        return false;
    }
}
