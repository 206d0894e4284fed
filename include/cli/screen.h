/*
 * screen.h - the longer answers of the admin API for people. As in show.h: plain ASCII on stdout,
 * false when the JSON is not what it should be.
 */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "base/str.h"

bool screen_status(struct str json);
bool screen_explain(struct str json);

#endif
