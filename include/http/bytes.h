/*
 * bytes.h - the classes of bytes that heads and chunk framing are made of, through one table.
 */
#ifndef HTTP_BYTES_H
#define HTTP_BYTES_H

#include <stdbool.h>

enum {
    IN_TOKEN = 1,  /* RFC 9110 5.6.2 */
    IN_VALUE = 2,  /* tab, space, visible, and 0x80 up */
    IN_TARGET = 4, /* visible, without '#' and '\' */
    IN_HOST = 8,   /* letters, digits and -._~ */
};

extern const unsigned char BYTE_CLASSES[256];

/* Whether `c` is in one of the classes. */
static inline bool byte_is(char c, unsigned classes)
{
    return (BYTE_CLASSES[(unsigned char)c] & classes) != 0;
}

#endif
