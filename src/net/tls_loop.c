/*
 * tls_loop.c - the one BIO that all links of a loop share:
 *
 *     socket's lent buffer --received--> BIO --> SSL of the link whose turn it is
 *     one output for all   <---sealed--- BIO <--
 *
 * Calls on links never nest, so one is enough, and no connection has buffers of its own.
 */
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "tls_inside.h"

static int bio_read(BIO *bio, char *room, size_t size, size_t *got)
{
    struct tls_loop *loop = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *got = size < loop->received.len ? size : loop->received.len;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(room, loop->received.data, *got);
    loop->received = str_slice(loop->received, *got, loop->received.len);
    return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *put)
{
    struct tls_loop *loop = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_append(&loop->sealed, bytes, size);
    *put = size;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *bio_kind; /* made once, for the life of the process */
static pthread_once_t bio_kind_once = PTHREAD_ONCE_INIT;

static void make_bio_kind(void)
{
    bio_kind = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "cutover");
    CHECK(bio_kind != NULL);
    BIO_meth_set_read_ex(bio_kind, bio_read);
    BIO_meth_set_write_ex(bio_kind, bio_write);
    BIO_meth_set_ctrl(bio_kind, bio_control);
}

BIO *tls_loop_bio(struct tls_loop *loop)
{
    if (loop->bio == NULL) {
        pthread_once(&bio_kind_once, make_bio_kind);
        loop->bio = BIO_new(bio_kind);
        CHECK(loop->bio != NULL);
        BIO_set_data(loop->bio, loop);
        BIO_set_init(loop->bio, 1);
        loop->plain = mem_alloc(TLS_PLAIN_BYTES);
        loop->gathered = mem_alloc(TLS_RECORD_BYTES);
    }
    return loop->bio;
}

void tls_loop_deinit(struct tls_loop *loop)
{
    BIO_free(loop->bio);
    buf_deinit(&loop->sealed);
    mem_free(loop->plain);
    mem_free(loop->gathered);
}
