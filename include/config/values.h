/*
 * values.h - numbers with units as people write them: "250ms", "64k", "0.25%", "200-399".
 *
 * Each function takes the whole text or refuses it, and then `error` says what is expected, without
 * the text itself: it may come from the environment, and only the caller knows how it was written.
 */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include "base/error.h"
#include "base/str.h"

/* "250ms", "5s", "5m", "2h", "7d" or 0, in milliseconds. UINT64_MAX for what is out of reach. */
bool value_duration(struct str text, uint64_t *ms, struct error *error) MUST_CHECK;

/* "64k", "1m", "2g" in powers of 1024, or bytes. UINT64_MAX for what is out of reach. */
bool value_size(struct str text, uint64_t *bytes, struct error *error) MUST_CHECK;

/* "30", "0.25", "1%" in hundredths of a percent: 0..10000. */
bool value_percentage(struct str text, uint64_t *hundredths, struct error *error) MUST_CHECK;

/* "2", "2.5", "1.25" in hundredths. UINT64_MAX for what is out of reach. */
bool value_ratio(struct str text, uint64_t *hundredths, struct error *error) MUST_CHECK;

/* "true" or "false". */
bool value_bool(struct str text, bool *value, struct error *error) MUST_CHECK;

/* "200-399" or "200": final status codes, 200..599. */
bool value_status_range(struct str text, unsigned *min, unsigned *max,
                        struct error *error) MUST_CHECK;

/* The way back, in the largest unit that is exact, for "from 1s to 5m". */
#define VALUE_TEXT_BYTES 32
void value_duration_text(uint64_t ms, char text[VALUE_TEXT_BYTES]);
void value_size_text(uint64_t bytes, char text[VALUE_TEXT_BYTES]);

#endif
