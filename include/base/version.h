/* version.h - the version that status, metrics, health checks and `cutover version` show. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

/* The build says which (CMake's project version); this is for tools that compile a file alone. */
#ifndef CUTOVER_VERSION
#define CUTOVER_VERSION "0.1.0"
#endif

#endif
