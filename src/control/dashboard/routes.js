// Routes with a weight of their own, each with its plan; and the others by name.
"use strict";

const routeViews = new Map();

function routeView(name) {
  if (!routeViews.has(name)) {
    const weight = make("b"), verdict = make("p", {class: "quiet"}), bar = make("div", {class: "split thin", "aria-hidden": "true"},
      make("div", {class: "split-old"}), make("div", {class: "split-new"}));
    const set = make("button", {type: "button", "data-do": "weight", "data-route": name, on: {click: () => askWeight(name)}}, "Set weight…");
    const plan = make("div");
    const node = make("section", {class: "route"}, make("div", {class: "head"}, make("h3", null, name), make("p", null, weight, " of users on new")), bar, plan, verdict, set);
    routeViews.set(name, {node, weight, verdict, bar, plan});
  }
  return routeViews.get(name);
}

function renderRoutes(status) {
  const routes = status.routes || [];
  show($("routes-card"), routes.length > 0);
  const own = routes.filter(route => route.weight !== undefined && !route.follows);
  const box = $("routes");
  for (const [name, view] of routeViews) {
    if (!own.some(route => route.name === name)) {
      view.node.remove();
      routeViews.delete(name);
      planViews.delete(name);
    }
  }
  for (const route of own) {
    const view = routeView(route.name);
    if (!view.node.isConnected) box.append(view.node);
    text(view.weight, percent(route.weight));
    setSplit(view.bar.firstChild, 100 - route.weight);
    setSplit(view.bar.lastChild, route.weight);
    show(view.plan, Boolean(route.plan));
    if (route.plan) planView(route.name, view.plan).update(route.plan);
    const compare = state.compare[route.name];
    const verdict = route.plan && ((compare && compare.verdict) || route.plan.verdict);
    const reason = route.plan && ((compare && compare.reason) || route.plan.verdict_reason);
    show(view.verdict, Boolean(verdict));
    text(view.verdict, verdict ? `Verdict: ${VERDICTS[verdict] || verdict}. ${reason ? full(reason) : ""}` : "");
  }
  const others = routes.filter(route => !own.includes(route));
  show(box, own.length > 0);
  refill($("routes-rest"), others, () => others.map(route => make("li", null, make("b", null, route.name), " ",
    route.pin ? make("span", {class: `of-${route.pin}`}, `pinned to ${route.pin}`) : make("span", {class: "quiet"}, "follows the main weight"))));
}
