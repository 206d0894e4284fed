/* doctor.h - `cutover doctor`: tries both sides before any user is moved. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/options.h"

/* Returns the exit code: 0 nothing failed, 1 something did, 2 wrong usage or configuration. */
int verb_doctor(const struct cli_options *options);

#endif
