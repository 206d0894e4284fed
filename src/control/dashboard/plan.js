// Where a plan stands, who has to act, and the buttons for it.
"use strict";

function planOf(route) {
  const own = (state.status.routes || []).find(r => r.name === route && r.plan);
  return own ? own.plan : state.status.plan;
}

const ORDERS = {
  start: {
    label: plan => (plan.state === "rolled_back" ? "Start again…" : "Start the plan…"), look: () => "primary",
    when: plan => ["idle", "rolled_back", "finished"].includes(plan.state),
    says: (plan, route, now) => {
      const to = plan.step_list.findIndex(step => step.weight >= now);
      return [to < 0 ? `No step of the plan is as high as the present weight, ${percent(now)}.`
        : `Step ${to + 1} of ${plan.steps}: ${percent(plan.step_list[to].weight)} of users on ${nameOf("new")}` +
          `${plan.step_list[to].weight === now ? ", as it is now" : ` (now ${percent(now)})`}, held for ${duration(plan.step_list[to].hold_s)}.`,
      plan.state === "rolled_back" ? "Starting says that you know why it was rolled back." : null];
    },
  },
  advance: {
    label: plan => `Advance to ${percent(plan.next_weight)}…`, look: plan => (plan.state === "waiting" ? "primary" : ""),
    when: plan => ["holding", "waiting", "soaking"].includes(plan.state) && plan.next_weight !== null,
    says: plan => [
      `From ${percent(plan.weight)} to ${percent(plan.next_weight)} of users on ${nameOf("new")}: step ${plan.step + 1} of ${plan.steps}.`,
      plan.hold_left_s > 0 ? `The hold of this step is not over: ${duration(plan.hold_left_s)} left.` : null,
      plan.verdict === "pass" ? null : `The verdict is: ${VERDICTS[plan.verdict] || "none yet"}. ${full(plan.verdict_reason || "")}`],
  },
  finish: {
    label: () => "Finish the plan…", look: plan => (plan.state === "waiting" ? "primary" : ""),
    when: plan => isActive(plan) && plan.step === plan.steps,
    says: plan => [`The weight stays at ${percent(plan.weight)}, and the guard watches no longer. Rollback stays possible.`,
      plan.hold_left_s > 0 ? `The last hold is not over: ${duration(plan.hold_left_s)} left.` : null],
  },
  resume: {
    label: () => "Resume…", look: () => "primary", when: plan => plan.state === "paused",
    says: (plan, route, now) => [`Step ${plan.step} goes on; ${duration(plan.hold_left_s || 0)} of its hold are left.`,
      now === plan.weight ? null : `The weight becomes ${percent(plan.weight)} again (now ${percent(now)}).`],
  },
  pause: {
    label: () => "Pause…", when: plan => ["holding", "soaking"].includes(plan.state),
    says: plan => [`The weight stays at ${percent(plan.weight)}. The time of the hold stands still until you resume.`],
  },
  abort: {
    label: () => "Abort the plan…", when: isActive,
    says: (plan, route, now) => [`The plan ends here. The weight stays at ${percent(now)}: no user moves. To take them back, roll back instead.`],
  },
};

function whoActs(plan) {
  const next = plan.next_weight === null || plan.next_weight === undefined ? "finish the plan" : `advance to ${percent(plan.next_weight)}`;
  if (plan.gate) {
    return ["Nobody yet", `the hook of ${plan.gate === "after" ? "this" : "the next"} step is being asked${plan.gate_detail ? `: ${plan.gate_detail}` : ""}`];
  }
  if (["holding", "soaking"].includes(plan.state) && plan.verdict === "fail") {
    const more = plan.strikes_max - plan.strikes;
    return ["You, if you do not want to wait", more > 0 ? `after ${plural(more, "more strike")} the guard ${plan.on_fail === "rollback"
      ? "rolls back by itself" : "stops the plan here"}` : "the guard has failed"];
  }
  switch (plan.state) {
    case "idle": return ["You", `when you are ready: start the plan. The first step is ${percent(plan.next_weight === null ? plan.step_list[0].weight : plan.next_weight)}`];
    case "holding":
    case "soaking":
      return plan.advance === "auto"
        ? ["Nobody", `when the hold is over and the verdict is pass, it will ${next} by itself`]
        : ["Nobody now", `when the hold is over, you ${next}`];
    case "paused": return ["You", `resume or abort. The hold stands still`];
    case "waiting": return ["You", next];
    case "rolled_back": return ["You", "find out why, mend it, and start again"];
    case "finished": return ["Nobody", "all steps are done. Keep the old side until you are sure"];
    default: return ["", ""];
  }
}

function stepState(plan, i) {
  const n = i + 1;
  if (plan.state === "finished") return "done";
  if (plan.step === 0 || plan.state === "idle") return plan.step_list[i].weight === plan.next_weight ? "next" : "later";
  if (n < plan.step) return plan.state === "rolled_back" ? "undone" : "done";
  if (n > plan.step) return n === plan.step + 1 && plan.state !== "rolled_back" ? "next" : "later";
  return plan.state === "rolled_back" ? "back" : "now";
}

const STEP_WORDS = {done: "done", undone: "was done", now: "now", next: "next", later: "then", back: "rolled back"};

function stepNode(plan, step, i) {
  const is = stepState(plan, i);
  const node = make("li", {class: "step", "data-is": is, "aria-current": is === "now" ? "step" : null},
    make("span", {class: "step-dot", "aria-hidden": "true"}),
    make("span", {class: "step-weight"}, percent(step.weight)),
    make("span", {class: "step-word"}, is === "now" ? STATES[plan.state] : STEP_WORDS[is]));
  const facts = make("span", {class: "step-facts"});
  if (is === "now") {
    const bar = make("span", {class: "meter", "aria-hidden": "true"}, make("span"));
    bar.firstChild.style.width = `${plan.hold_s > 0 ? Math.min(100, 100 * plan.held_s / plan.hold_s) : 100}%`;
    put(facts, bar, make("b", null, plan.hold_left_s > 0 ? `${duration(plan.hold_left_s)} left` : "its time is over"), ` of ${duration(step.hold_s)}`);
  } else {
    put(facts, is === "done" ? "" : `hold ${duration(step.hold_s)}`);
  }
  const hooks = [step.before && "before", step.after && "after"].filter(Boolean);
  if (hooks.length > 0) put(facts, make("span", {class: "hook"}, `hook ${hooks.join(" and ")}`));
  return put(node, facts);
}

// The track, what comes next, and the buttons of one plan; made once, then kept up to date.
class PlanView {
  constructor(route) {
    this.route = route;
    this.track = make("ol", {class: "track"});
    this.act = make("p", {class: "act"});
    this.note = make("p", {class: "note"});
    this.buttons = {};
    const row = make("div", {class: "buttons"});
    for (const [name, order] of Object.entries(ORDERS)) {
      this.buttons[name] = make("button", {type: "button", "data-do": name, "data-route": route,
        hidden: true, on: {click: () => orderPlan(name, route)}});
      row.append(this.buttons[name]);
    }
    this.none = make("p", {class: "quiet", hidden: true}, "There is no plan in the configuration.");
    this.node = make("div", {class: "plan-view"}, this.track, this.none, this.act, this.note, row);
  }

  update(plan) {
    const has = plan.steps > 0 && plan.step_list && plan.step_list.length > 0;
    show(this.none, !has);
    show(this.track, has);
    refill(this.track, [plan.state, plan.step, plan.hold_left_s, plan.hold_s, plan.step_list], () =>
      (plan.step_list || []).map((step, i) => stepNode(plan, step, i)));
    const [who, what] = has ? whoActs(plan) : ["", ""];
    show(this.act, has);
    refill(this.act, [who, what], () => [make("b", null, "Who has to act: "), make("em", null, who), `; ${full(what).replace(/^./, c => c.toLowerCase())}`]);
    show(this.note, Boolean(plan.note) && !(this.route === "main" && (plan.failed || plan.state === "rolled_back")));
    text(this.note, plan.note ? full(plan.note) : "");
    for (const [name, order] of Object.entries(ORDERS)) {
      const possible = has && order.when(plan);
      show(this.buttons[name], possible);
      if (!possible) continue;
      text(this.buttons[name], order.label(plan));
      this.buttons[name].className = order.look ? order.look(plan) : "";
    }
  }
}

const planViews = new Map();
function planView(route, into) {
  if (!planViews.has(route)) {
    planViews.set(route, new PlanView(route));
    into.append(planViews.get(route).node);
  }
  return planViews.get(route);
}
