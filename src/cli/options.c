/*
 * options.c - argv -> struct cli_options, by one table. A small one of our own instead of
 * getopt_long, since the verb decides which options are right, and help and suggestions come from
 * the same rows.
 */
#include "cli/options.h"

#include <stddef.h>
#include <stdio.h>

#define NEAR_DISTANCE 3

enum option_kind { OPTION_FLAG = 0, OPTION_TEXT, OPTION_LIST };

struct option_row {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    const char *value; /* what stands for the value in help */
    size_t offset;     /* of the member in struct cli_options */
    const char *help;
};

#define AT(member) offsetof(struct cli_options, member)

static const struct option_row rows[] = {
    {"config", 'c', OPTION_TEXT, "FILE", AT(config), "the configuration file"},
    {"reset-state", 0, OPTION_FLAG, "", AT(reset_state),
     "start from initial_weight when the state cannot be read"},
    {"admin", 0, OPTION_TEXT, "URL", AT(admin),
     "the admin API (CUTOVER_ADMIN; default http://127.0.0.1:9901)"},
    {"ca-file", 0, OPTION_TEXT, "FILE", AT(ca_file),
     "whom to trust at an https:// URL (CUTOVER_CA_FILE; default: the system)"},
    {"token-file", 0, OPTION_TEXT, "FILE", AT(token_file),
     "file that holds the admin token (CUTOVER_TOKEN: the token itself)"},
    {"reason", 0, OPTION_TEXT, "TEXT", AT(reason), "why, for the audit"},
    {"json", 0, OPTION_FLAG, "", AT(json), "print JSON, for programs"},
    {"route", 0, OPTION_LIST, "NAME", AT(routes), "this route, not what follows the main weight"},
    {"step", 0, OPTION_TEXT, "N", AT(step),
     "refuse when the plan is in another step than this (0: not begun)"},
    {"window", 0, OPTION_TEXT, "DURATION", AT(window),
     "how far back to look (default, and most: plan.guard.window)"},
    {"retry-after", 0, OPTION_TEXT, "SECONDS", AT(retry_after),
     "what clients are told to wait, 1..3600 (default 30)"},
    {"wait", 0, OPTION_TEXT, "DURATION", AT(wait),
     "until no write is open any more; fails after this time"},
    {"dry-run", 0, OPTION_FLAG, "", AT(dry_run), "only say what would move"},
    {"if-match", 0, OPTION_TEXT, "GENERATION", AT(if_match),
     "refuse when something has changed since this generation"},
    {"to", 0, OPTION_TEXT, "PERCENT", AT(to), "where to roll back to (default 0)"},
    {"force", 0, OPTION_FLAG, "", AT(force), "also against what speaks against it"},
    {"follow", 'f', OPTION_FLAG, "", AT(follow), "go on with each new event"},
    {"limit", 'n', OPTION_TEXT, "N", AT(limit), "how many events to begin with"},
    {"header", 'H', OPTION_LIST, "'NAME: VALUE'", AT(headers), "a header of the request"},
    {"host", 0, OPTION_TEXT, "NAME", AT(host), "the Host of the request"},
    {"address", 0, OPTION_TEXT, "IP", AT(address), "the client's address"},
    {"path", 0, OPTION_LIST, "PATH", AT(paths),
     "to ask on both sides and compare (default: health path and /)"},
    {"websocket", 0, OPTION_TEXT, "PATH", AT(websocket), "open a WebSocket there"},
    {"origin", 0, OPTION_TEXT, "URL", AT(origin), "try the CORS preflight of a page there"},
    {"idle", 0, OPTION_TEXT, "DURATION", AT(idle),
     "how long to watch idle connections, 0: not at all (default 70s)"},
    {"timeout", 0, OPTION_TEXT, "DURATION", AT(timeout),
     "how long one answer may take (default 10s)"},
    {"upload", 0, OPTION_TEXT, "SIZE", AT(upload), "POST so many bytes (default: none)"},
    {"upload-path", 0, OPTION_TEXT, "PATH", AT(upload_path), "where to (default: the first path)"},
    {"head-bytes", 0, OPTION_TEXT, "SIZE", AT(head_bytes),
     "the largest request head to try, 0: none (default 16k)"},
    {"help", 'h', OPTION_FLAG, "", AT(help), "this text"},
    {"version", 'V', OPTION_FLAG, "", AT(version), "the version"},
};

static int find_name(struct str name)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(name, str_of(rows[i].name)))
            return (int)i;
    return -1;
}

static int find_letter(char letter)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].letter == letter)
            return (int)i;
    return -1;
}

const char *options_nearest(struct str name)
{
    const char *best = NULL;
    unsigned best_distance = NEAR_DISTANCE;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned distance = str_distance(name, str_of(rows[i].name));
        if (distance < best_distance) {
            best_distance = distance;
            best = rows[i].name;
        }
    }
    return best;
}

static bool unknown(struct str name, struct error *error)
{
    const char *near = options_nearest(name);
    if (near != NULL)
        return error_set(error, "unknown option --%.*s (did you mean --%s?)", STR_ARG(name), near);
    return error_set(error, "unknown option --%.*s", STR_ARG(name));
}

static bool store_item(struct cli_list *list, const char *name, const char *value,
                       struct error *error)
{
    if (list->count == CLI_LIST_MAX)
        return error_set(error, "at most %u of --%s", CLI_LIST_MAX, name);
    list->items[list->count++] = value;
    return true;
}

static bool store(struct cli_options *options, const struct option_row *row, const char *value,
                  struct error *error)
{
    uint64_t bit = (uint64_t)1 << (row - rows);
    char *member = (char *)options + row->offset;
    if ((options->given & bit) != 0 && row->kind != OPTION_LIST)
        return error_set(error, "--%s is given twice", row->name);
    options->given |= bit;
    if (row->kind == OPTION_FLAG)
        *(bool *)member = true;
    else if (row->kind == OPTION_TEXT)
        *(const char **)(void *)member = value;
    else
        return store_item((struct cli_list *)(void *)member, row->name, value, error);
    return true;
}

/* One option at argv[*at]; moves on behind its value. */
static bool parse_option(int argc, char **argv, int *at, struct cli_options *options,
                         struct error *error)
{
    const char *word = argv[*at];
    bool is_long = word[1] == '-';
    struct str name = str_of(word + (is_long ? 2 : 1));
    ptrdiff_t equals = is_long ? str_find_char(name, '=', 0) : -1;
    const char *value = NULL;
    if (equals >= 0) {
        value = name.data + equals + 1;
        name = str_slice(name, 0, (size_t)equals);
    } else if (!is_long && name.len > 1) {
        value = word + 2; /* -cFILE */
    }
    int index = is_long ? find_name(name) : find_letter(word[1]);
    if (index < 0)
        return is_long ? unknown(name, error) : error_set(error, "unknown option %s", word);
    const struct option_row *row = &rows[index];
    if (row->kind == OPTION_FLAG && value != NULL)
        return error_set(error, "--%s takes no value", row->name);
    if (row->kind != OPTION_FLAG && value == NULL) {
        if (*at + 1 >= argc)
            return error_set(error, "--%s needs a value: %s", row->name, row->value);
        value = argv[++*at];
    }
    return store(options, row, value, error);
}

static bool parse_word(char *word, struct cli_options *options, struct error *error)
{
    if (options->verb == NULL) {
        options->verb = word;
        return true;
    }
    if (options->argument_count == CLI_ARGUMENTS_MAX)
        return error_set(error, "too many arguments: \"%s\"", word);
    options->arguments[options->argument_count++] = word;
    return true;
}

/* "-1" is an argument (and a wrong weight), "-" and "-x" are not. */
static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && !ascii_is_digit(word[1]) && word[1] != '.';
}

bool options_parse(int argc, char **argv, struct cli_options *options, struct error *error)
{
    bool only_words = false;
    *options = (struct cli_options){.verb = NULL};
    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && is_option(argv[i])) {
            if (!parse_option(argc, argv, &i, options, error))
                return false;
        } else if (!parse_word(argv[i], options, error)) {
            return false;
        }
    }
    return true;
}

/* Whether `allowed` has the option, and as one that may be given again. */
static bool find_allowed(const char *allowed, const char *name, bool *is_repeatable)
{
    struct str rest = str_of(allowed), part;

    while (str_next_part(&rest, ',', &part)) {
        *is_repeatable = part.len > 0 && part.data[part.len - 1] == '+';
        if (str_eq(str_slice(part, 0, part.len - (*is_repeatable ? 1 : 0)), str_of(name)))
            return true;
    }
    return false;
}

bool options_check(const struct cli_options *options, const char *allowed, struct error *error)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        const struct option_row *row = &rows[i];
        const char *member = (const char *)options + row->offset;
        bool is_repeatable = false;

        if ((options->given >> i & 1) == 0)
            continue;
        if (!find_allowed(allowed, row->name, &is_repeatable))
            return error_set(error, "%s takes no --%s", options->verb, row->name);
        if (row->kind == OPTION_LIST && !is_repeatable &&
            ((const struct cli_list *)(const void *)member)->count > 1)
            return error_set(error, "--%s is given twice", row->name);
    }
    return true;
}

void options_print(const char *allowed)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        const struct option_row *row = &rows[i];
        char left[64];
        bool is_repeatable = false;
        if (!find_allowed(allowed, row->name, &is_repeatable))
            continue;
        char letter[8] = "    ";
        if (row->letter != 0)
            snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(left, sizeof(left), "%s--%s %s", letter, row->name, row->value);
        printf("  %-32s %s%s\n", left, row->help, is_repeatable ? " (repeatable)" : "");
    }
}

bool percent_parse(struct str text, unsigned *weight)
{
    uint64_t whole = 0, hundredths = 0;
    if (text.len > 0 && text.data[text.len - 1] == '%')
        text = str_trim(str_slice(text, 0, text.len - 1));
    ptrdiff_t point = str_find_char(text, '.', 0);
    struct str left = point < 0 ? text : str_slice(text, 0, (size_t)point);
    struct str right = point < 0 ? STR("0") : str_slice(text, (size_t)point + 1, text.len);
    if (!str_to_u64(left, &whole) || right.len > 2 || !str_to_u64(right, &hundredths) ||
        whole > 100)
        return false;
    uint64_t sum = whole * 100 + (right.len == 1 ? hundredths * 10 : hundredths);
    *weight = (unsigned)sum;
    return sum <= 10000;
}
