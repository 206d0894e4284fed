/*
 * expand.h - ${NAME} and ${NAME:-default} in a value; $${ stands for the two characters ${.
 *
 * What comes out of the environment is text and nothing else: it is not looked at as YAML, and it
 * is not expanded again.
 */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

#include "base/arena.h"
#include "base/error.h"

/* An expanded value may not be longer. */
#define EXPAND_MAX_BYTES 65536

/*
 * `written` with its variables put in, copied to the arena. As in a shell, `:-` also stands in for
 * a variable that is set to nothing; without it a variable that is not set is an error. The error
 * names the variable and never its value.
 */
bool expand(struct str written, struct arena *arena, struct str *value,
            struct error *error) MUST_CHECK;

#endif
