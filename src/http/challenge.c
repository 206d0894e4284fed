/*
 * challenge.c - the path is taken as it came: nothing is decoded, so that no dot, slash or
 * percent sign can get into a token.
 */
#include "http/challenge.h"

static bool is_base64url(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char lower = ascii_lower(s.data[i]);
        bool is_letter = lower >= 'a' && lower <= 'z';
        if (!is_letter && !ascii_is_digit(lower) && lower != '-' && lower != '_')
            return false;
    }
    return true;
}

bool challenge_token(struct str path, struct str *token)
{
    struct str folder = STR(CHALLENGE_FOLDER);

    if (!str_starts_with(path, folder))
        return false;
    struct str rest = str_slice(path, folder.len, path.len);
    *token = rest.len <= CHALLENGE_TOKEN_MAX && is_base64url(rest) ? rest : STR("");
    return true;
}
