// What can be ordered, and what the dialog says about each order.
"use strict";

function orderPlan(name, route) {
  const plan = planOf(route), order = ORDERS[name];
  const own = (state.status.routes || []).find(r => r.name === route);
  const now = route === "main" || !own ? state.status.weight : own.weight;
  openAsk({
    title: `${order.label(plan).replace("…", "")}${route === "main" ? "" : ` (route ${route})`}`,
    lines: order.says(plan, route, now),
    button: sentence(name),
    mayForce: error => error.code === "plan_refused" && ["advance", "start", "resume", "finish"].includes(name),
    forceButton: `${sentence(name)} all the same`,
    do: (reason, force) => call("POST", `/v1/plan/${name}`,
      withReason(withRoute({step: plan.step, ...(force ? {force: true} : {})}, route), reason)),
  });
}

function weightsDown(status) {
  const down = status.weight > 0 ? [`The main weight falls from ${percent(status.weight)} to 0 %: all users go to ${nameOf("old")}.`]
    : ["The main weight is 0 % already."];
  for (const route of status.routes || []) {
    if (route.weight > 0 && !route.follows && !route.pin) down.push(`The weight of ${route.name} falls from ${percent(route.weight)} to 0 %.`);
  }
  return down;
}

function askRollback() {
  const status = state.status;
  if (status === null) return;
  const toNew = (status.routes || []).filter(route => route.pin === "new").map(route => route.name);
  const plans = [status.plan, ...(status.routes || []).map(route => route.plan)].filter(plan => plan && isActive(plan));
  const sockets = status.backends.new.share.sockets;
  openAsk({
    title: "Roll back",
    lines: [...weightsDown(status),
      plans.length > 0 ? `${plans.length === 1 ? "The plan ends" : "The plans end"} as rolled back.` : null,
      toNew.length > 0 ? `Pinned to new, and staying there: ${toNew.join(", ")}.` : null,
      sockets > 0 ? `${plural(sockets, "open socket")} on ${nameOf("new")} ${sockets === 1 ? "stays" : "stay"} open there until ${sockets === 1 ? "it closes" : "they close"}.` : null,
      status.rollback_ready ? `${nameOf("old")} is ready to take them.`
        : `${nameOf("old")} is NOT ready: ${full(status.rollback_not_ready_reason || "it cannot take the users now")} The proxy will refuse this.`],
    button: "Roll back now", look: "danger",
    mayForce: error => error.code === "old_not_usable",
    forceButton: "Roll back all the same",
    done: "Rolled back.",
    do: (reason, force) => call("POST", "/v1/rollback", withReason(force ? {force: true} : {}, reason)),
  });
}
$("rollback").addEventListener("click", askRollback);

function movesWords(answer) {
  const moves = answer.moves, name = nameOf(moves.direction === "to_old" ? "old" : "new");
  if (moves.direction === "none") return ["This is the present weight: nobody moves."];
  return [`${percent(answer.from)} → ${percent(answer.to)}: ${percent(moves.share_percent)} of users move to ${name}.`,
    moves.placed_users_stay ? "Users who have been placed stay where they are; only new ones follow." : null];
}

async function askWeight(route, weight) {
  const input = make("input", {id: "ask-weight", type: "number", min: 0, max: 100, step: "any", inputmode: "decimal"});
  const isMain = weight !== undefined;
  const preview = make("p", {class: "quiet", "aria-live": "polite"});
  const fields = isMain ? [] : [make("div", null, make("label", {for: "ask-weight"}, "Weight, % of users on new"), input, preview)];
  const value = () => (isMain ? weight : Number(input.value));
  const isGood = () => (isMain || input.value !== "") && value() >= 0 && value() <= 100;
  const test = async () => (await ask("PUT", "/v1/weight?dry_run=1", withRoute({weight: value()}, route))).json();
  let lines = [];
  if (isMain) {
    const answer = await test();
    lines = [...movesWords(answer), ...(answer.warnings || []).map(full)];
    if (isActive(planOf(route)) && answer.to !== planOf(route).weight) lines.push("The plan pauses: its step has another weight.");
  } else {
    input.addEventListener("change", async () => {
      if (!isGood()) return;
      try {
        const answer = await test();
        text(preview, [...movesWords(answer), ...(answer.warnings || []).map(full)].filter(Boolean).join(" "));
      } catch (error) {
        text(preview, error.message);
      }
    });
  }
  openAsk({
    title: isMain ? `Set the weight to ${percent(weight)}` : `Set the weight of ${route}`, lines, fields, button: "Set",
    do: async reason => {
      if (!isGood()) throw new Refused(0, "bad_value", "A weight is a number from 0 to 100.");
      const answer = await call("PUT", "/v1/weight", withReason(withRoute({weight: value()}, route), reason));
      if (isMain) $("weight").value = "";
      return answer;
    },
  });
}

$("weight-form").addEventListener("submit", async event => {
  event.preventDefault();
  const box = $("weight"), weight = Number(box.value);
  const isGood = box.value !== "" && weight >= 0 && weight <= 100;
  show($("weight-error"), !isGood);
  if (!isGood) {
    text($("weight-error"), "A weight is a number from 0 to 100, such as 30 or 0.25.");
    box.focus();
    return;
  }
  try {
    await askWeight("main", weight);
  } catch (error) {
    text($("weight-error"), error.message);
    show($("weight-error"), true);
  }
});

function askFreeze() {
  const status = state.status;
  if (status.freeze && status.freeze.on) {
    openAsk({
      title: "End the freeze", button: "End the freeze",
      lines: ["POST, PUT, PATCH, DELETE and the like go through to the applications again."],
      do: reason => call("POST", "/v1/freeze", withReason({on: false}, reason)),
    });
    return;
  }
  const after = make("input", {id: "ask-after", type: "number", min: 1, max: 3600, step: 1, value: 30});
  const boxes = ["main", ...(status.routes || []).map(route => route.name)].map((name, i) => ({
    name, node: make("input", {type: "checkbox", id: `ask-route-${i}`}), id: `ask-route-${i}`}));
  const fields = [make("div", null, make("label", {for: "ask-after"}, "Clients may try again after, s"), after)];
  if (boxes.length > 1) {
    fields.push(make("fieldset", null, make("legend", null, "Only these routes (none: all)"),
      ...boxes.map(box => make("label", {for: box.id, class: "tick"}, box.node, " ", box.name === "main" ? "main: all that match no route" : box.name))));
  }
  openAsk({
    title: "Freeze writes", button: "Freeze writes", look: "danger", fields,
    lines: ["POST, PUT, PATCH, DELETE and the like are answered with 503 and Retry-After until you end it. Reading goes on, and so do open WebSockets.",
      "It stays over a restart."],
    do: reason => {
      const seconds = Number(after.value);
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600) throw new Refused(0, "bad_value", "The time is whole seconds, from 1 to 3600.");
      const routes = boxes.filter(box => box.node.checked).map(box => box.name);
      return call("POST", "/v1/freeze", withReason({on: true, retry_after_s: seconds, ...(routes.length > 0 ? {routes} : {})}, reason));
    },
  });
}
$("freeze").addEventListener("click", askFreeze);

$("rename").addEventListener("click", () => openAsk({
  title: "Your name", lines: ["It stands beside everything that you change, in the log and in the list of events."],
  button: "Keep", asksName: true, wantsReason: false, done: "Kept.",
  do: async () => { render(); return null; },
}));
