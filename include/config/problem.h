/*
 * problem.h - what is wrong with a configuration file: all of it, in file order.
 *
 * Everything that reads a configuration adds to one list and goes on, so that a person sees every
 * mistake at once. Texts are made for that person; control bytes from the file are escaped.
 */
#ifndef CONFIG_PROBLEM_H
#define CONFIG_PROBLEM_H

#include "base/arena.h"
#include "base/buf.h"

/* One thing that is wrong: "conf/x.yaml:14:13: error: backends.new.servers[1]: expected a URL ..."
 */
struct config_problem {
    unsigned line, column; /* from 1; 0: the file as a whole */
    struct str path;       /* "backends.new.servers[1]"; empty: no key in particular */
    struct str text;
};

struct config_problems {
    struct arena arena;
    struct str file;
    struct config_problem *items; /* owned: by the arena; NULL while there is none */
    unsigned count;
    unsigned left_out; /* beyond CONFIG_PROBLEMS_MAX */
};
#define CONFIG_PROBLEMS_MAX 100

void config_problems_init(struct config_problems *problems);
void config_problems_deinit(struct config_problems *problems);

/* Puts a problem where it belongs in file order. `path` is copied, and so is the text. */
void config_problems_add(struct config_problems *problems, unsigned line, unsigned column,
                         struct str path, const char *format, ...) PRINTF_LIKE(5, 6);

/*
 * Appends "FILE:LINE:COL: error: PATH: TEXT\n" for each, in file order. What concerns the file as a
 * whole has no LINE:COL and no PATH.
 */
void config_problems_format(const struct config_problems *problems, struct buf *out);

/* Appends `text` for a message: escaped, and cut when it is long. */
void config_problem_quote(struct buf *out, struct str text);

#endif
