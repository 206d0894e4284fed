/*
 * orders.h - what operators order of the controller: weights, rollback, administrative states,
 * reload.
 *
 * The admin API and SIGHUP end here. Control thread only, like all of control/.
 */
#ifndef CONTROL_ORDERS_H
#define CONTROL_ORDERS_H

#include "control/controller.h"

/* Each answers CONTROL_OK, or a refusal with `error` set; both are noted as events, but
 * for a dry run, which is checked like any other and changes and notes nothing. What asks for what
 * is already so is answered CONTROL_OK under the present generation. */

/* `route` empty or "main": the main weight. */
enum control_result order_weight(struct controller *controller,
                                 const struct control_request *request, struct str route,
                                 unsigned weight, struct error *error);

/* Every weight (the main one and each route's own) down to `to`; none is raised. Applied even when
 * it cannot be saved: *durable is false then. Refused when old is not usable (down, ejected, in
 * maint), unless forced; an old side that no check has looked at yet counts as usable. */
enum control_result order_rollback(struct controller *controller,
                                   const struct control_request *request, unsigned to, bool force,
                                   bool *durable, struct error *error);

enum control_result order_admin(struct controller *controller,
                                const struct control_request *request, enum side side,
                                enum admin_state state, struct error *error);

/* Reads the configuration file again. CONTROL_CONFIG_INVALID: `problems` (initialised by the
 * caller) lists all that is wrong, or is empty and `error` says what needs a restart; the old
 * configuration goes on. */
enum control_result order_reload(struct controller *controller,
                                 const struct control_request *request,
                                 struct config_problems *problems, struct error *error);

#endif
