/*
 * warning.h - what the warnings of a status are about, by how they begin or what they say: the answer
 * has sentences alone. So that a verb which tells of the same thing itself does not tell it twice. A
 * sentence that is not known is OTHER, and shown.
 */
#ifndef CLI_WARNING_H
#define CLI_WARNING_H

enum warning_subject {
    WARNING_OTHER = 0,
    WARNING_GUARD,  /* it has failed, and nobody has acted */
    WARNING_PLAN,   /* it waits, or is paused with another weight */
    WARNING_FREEZE, /* writes are frozen */
};

enum warning_subject warning_subject(const char *text);

/* What "durable": false means for whoever reads it. */
extern const char warning_not_durable[];

#endif
