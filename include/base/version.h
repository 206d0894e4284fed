/* version.h - the version that /v1/status, cutover_build_info and `cutover version` show. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

/* The build may set it (-DCUTOVER_VERSION="1.2.3"); keep in step with project() otherwise. */
#ifndef CUTOVER_VERSION
#define CUTOVER_VERSION "0.1.0"
#endif

#endif
