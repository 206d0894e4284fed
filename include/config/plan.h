/* plan.h - the plan: its steps, its hooks, and what the guard goes by. */
#ifndef CONFIG_PLAN_H
#define CONFIG_PLAN_H

#include "config/schema.h"

/* Fills a struct plan (traffic/plan.h). The guard has its values also where there are no steps. */
extern const struct schema_map PLAN_MAP;

#endif
