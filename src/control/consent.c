/*
 * consent.c - asks hooks, and keeps what they said.
 *
 *     NONE -- ask --> ASKED -- yes --> OPEN
 *      ^                 +---- no ---> SHUT -- wait_ms --+
 *      +-------------------------------------------------+
 *
 * The same answer again is no event: a hook may say no for days.
 */
#include "control/consent.h"

#include <stdio.h>

#include "base/clock.h"

void consent_init(struct consent *consent, struct controller *controller, const char *route)
{
    *consent = (struct consent){.controller = controller, .route = route};
}

void consent_drop(struct consent *consent)
{
    if (consent->hook != NULL)
        hook_cancel(consent->hook);
    consent_init(consent, consent->controller, consent->route);
}

static enum plan_gate *gate_of(struct consent *consent)
{
    return strcmp(consent->asked, "after") == 0 ? &consent->after : &consent->before;
}

const char *consent_gate(const struct consent *consent)
{
    enum plan_gate gate;

    if (consent->asked == NULL)
        return NULL;
    gate = strcmp(consent->asked, "after") == 0 ? consent->after : consent->before;
    return gate == PLAN_GATE_OPEN ? NULL : consent->asked;
}

static void tell(struct consent *consent, bool yes)
{
    struct event event = {.actor = "plan", .what = "hook"};

    if (consent->is_told && consent->told_yes == yes && strcmp(consent->told, consent->detail) == 0)
        return;
    consent->is_told = true;
    consent->told_yes = yes;
    memcpy(consent->told, consent->detail, sizeof(consent->told));
    snprintf(event.subject, sizeof(event.subject), "%s", consent->place);
    snprintf(event.to, sizeof(event.to), "%s", yes ? "yes" : "no");
    snprintf(event.reason, sizeof(event.reason), "%s step %u of %.64s: %s", consent->asked,
             consent->step, consent->route, consent->detail);
    snprintf(event.result, sizeof(event.result), "%s", yes ? "ok" : "refused");
    events_add(&consent->controller->events, event);
}

static void on_answer(void *data, bool yes, const char *detail)
{
    struct consent *consent = data;

    consent->hook = NULL;
    *gate_of(consent) = yes ? PLAN_GATE_OPEN : PLAN_GATE_SHUT;
    consent->again_ms = clock_boot_ms() + consent->wait_ms;
    snprintf(consent->detail, sizeof(consent->detail), "%s", detail);
    tell(consent, yes);
}

/* {"plan":"main","step":2,"weight":30,"hook":"before","from_weight":10} */
static void write_body(const struct consent *consent, const struct plan *plan, struct buf *body)
{
    const struct state *state = &consent->controller->state;
    struct str route = str_of(consent->route);
    bool is_main = str_eq(route, STR(ROUTE_MAIN));
    struct json json;

    json_init(&json, body);
    json_object_begin(&json, NULL);
    json_str(&json, "plan", route);
    json_u64(&json, "step", consent->step);
    json_decimal(&json, "weight", plan->steps[consent->step - 1].weight, 2);
    json_text(&json, "hook", consent->asked);
    json_decimal(&json, "from_weight",
                 is_main ? state->weight : state_route_weight(state, route, 0), 2);
    json_object_end(&json);
}

static void ask(struct consent *consent, const char *which, unsigned step, uint64_t wait_ms)
{
    const struct plan *plan = config_plan(consent->controller->config, str_of(consent->route));
    const struct plan_step *of = &plan->steps[step - 1];
    struct str url = strcmp(which, "after") == 0 ? of->after : of->before;
    struct buf body = BUF_EMPTY;

    if (consent->hook != NULL)
        return;
    consent->is_told = consent->is_told && consent->step == step && consent->asked == which;
    consent->asked = which;
    consent->step = step;
    consent->wait_ms = wait_ms < CONSENT_AGAIN_MS ? CONSENT_AGAIN_MS : wait_ms;
    snprintf(consent->place, sizeof(consent->place), "%.*s", STR_ARG(hook_place(url)));
    *gate_of(consent) = PLAN_GATE_ASKED;
    write_body(consent, plan, &body);
    consent->hook = hook_ask(consent->controller->loop, url, buf_str(&body), on_answer, consent);
    buf_deinit(&body);
}

void consent_ask_before(struct consent *consent, unsigned step, uint64_t wait_ms)
{
    ask(consent, "before", step, wait_ms);
}

void consent_ask_after(struct consent *consent, unsigned step, uint64_t wait_ms)
{
    ask(consent, "after", step, wait_ms);
}

void consent_tick(struct consent *consent, uint64_t now_ms)
{
    enum plan_gate *gate = consent->asked == NULL ? NULL : gate_of(consent);

    if (gate != NULL && *gate == PLAN_GATE_SHUT && now_ms >= consent->again_ms)
        *gate = PLAN_GATE_NONE;
}
