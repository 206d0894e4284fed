// The share over time: the last day as it was, or the whole plan with what is to come.
"use strict";

function weightSteps(events, route) {
  const steps = [];
  const plan = planOf(route);
  for (const event of events) {
    if (event.result !== "ok" && event.result !== "not_durable") continue;
    const subject = event.subject || "main";
    const at = Date.parse(event.at);
    if ((event.what === "weight" || event.what === "rollback") && subject === route && typeof event.to === "number") {
      steps.push({at, from: typeof event.from === "number" ? event.from : null, to: event.to});
    } else if (event.what === "plan" && subject === route) {
      const entered = /^(?:holding|soaking) (\d+)$/.exec(String(event.to));
      const step = entered && plan.step_list && plan.step_list[Number(entered[1]) - 1];
      if (step && (steps.length === 0 || steps[steps.length - 1].to !== step.weight)) steps.push({at, from: null, to: step.weight});
    }
  }
  return steps;
}

function niceTicks(from, to, count) {
  const hour = 3600000, day = 24 * hour;
  const units = [60000, 2 * 60000, 5 * 60000, 10 * 60000, 30 * 60000, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour,
    day, 2 * day, 3 * day, 7 * day, 14 * day];
  const unit = units.find(u => (to - from) / u <= count) || 28 * day;
  const offset = new Date(from).getTimezoneOffset() * 60000;
  const ticks = [];
  for (let t = Math.ceil((from - offset) / unit) * unit + offset; t <= to; t += unit) ticks.push(t);
  const format = unit >= day ? new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short"})
    : new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit"});
  return ticks.map(t => ({at: t, label: format.format(new Date(t))}));
}

function chartFacts(now) {
  const status = state.status;
  if (state.range === "plan") {
    const steps = weightSteps(state.events, "main");
    const plan = status.plan;
    const first = steps.length > 0 ? steps[0].at : now - 3600000;
    const line = [];
    if (steps.length > 0 && steps[0].from !== null) line.push([first - 1, steps[0].from]);
    for (const step of steps) line.push([step.at, step.to]);
    if (line.length === 0) line.push([first, status.weight]);
    const coming = [];
    let at = now;
    if (plan.steps > 0 && (isActive(plan) || plan.state === "idle")) {
      let from = plan.state === "idle" ? 0 : plan.step;
      coming.push([now, status.weight]);
      at = now + (plan.state === "idle" ? 0 : (plan.hold_left_s || 0) * 1000);
      for (let i = from; i < plan.steps; i++) {
        coming.push([at, plan.step_list[i].weight]);
        at += plan.step_list[i].hold_s * 1000;
      }
      coming.push([at, coming[coming.length - 1][1]]);
    }
    const room = Math.max((at - first) * 0.03, 60000);
    return {from: first - room, to: Math.max(at, now) + room, line, coming, dots: []};
  }
  const points = state.history;
  const from = points.length > 0 ? Math.max(now - 86400000, Math.min(Date.parse(points[0].at), now - 5 * 60000)) : now - 5 * 60000;
  const line = [];
  for (const point of points) {
    const at = Date.parse(point.at);
    if (at >= from && (line.length === 0 || line[line.length - 1][1] !== point.weight)) line.push([at, point.weight]);
  }
  // A minute knows the weight at its end alone; the events know the moment.
  const moves = weightSteps(state.events, "main").filter(step => step.at >= from);
  for (const step of line.slice(1)) {
    const move = moves.find(m => m.to === step[1] && m.at >= step[0] && m.at < step[0] + 60000);
    if (move) step[0] = move.at;
  }
  if (line.length === 0) line.push([from, status.weight]);
  const last = line[line.length - 1];
  if (last[1] !== status.weight) line.push([moves.length > 0 ? moves[moves.length - 1].at : now, status.weight]);
  const size = Math.max(1, Math.ceil((now - from) / 60000 / 144));
  const dots = [];
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size);
    const sum = key => part.reduce((total, point) => total + point[key], 0);
    const all = sum("old") + sum("new");
    if (all > 0) dots.push([Math.min(now, Date.parse(part[0].at) + size * 30000), 100 * sum("new") / all, all]);
  }
  return {from, to: now, line, coming: [], dots};
}

let chartKey = "";
function renderChart() {
  if (!state.status || $("main").hidden) return;
  const now = Date.now(), box = $("chart");
  const width = Math.max(240, Math.floor(box.clientWidth)), height = Math.max(190, Math.floor(box.clientHeight));
  const key = JSON.stringify([state.range, width, height, Math.floor(now / 30000), state.history.slice(-1), state.history.length,
    state.events.length > 0 && state.events[state.events.length - 1].id, state.status.weight, state.status.plan.state, state.status.plan.step]);
  if (key === chartKey) return;
  chartKey = key;
  const facts = chartFacts(now);
  const left = 46, right = 10, top = 10, bottom = 24;
  const x = at => left + (width - left - right) * (at - facts.from) / (facts.to - facts.from);
  const y = value => top + (height - top - bottom) * (1 - value / 100);
  const inside = at => Math.max(facts.from, Math.min(facts.to, at));
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": "chart-text"});
  const end = state.range === "plan" ? now : facts.to;
  let path = "", area = "";
  facts.line.forEach(([at, value], i) => {
    const px = x(inside(at)).toFixed(1), py = y(value).toFixed(1);
    path += i === 0 ? `M${px} ${py}` : `H${px}V${py}`;
  });
  path += `H${x(end).toFixed(1)}`;
  area = `${path}V${y(0)}H${x(inside(facts.line[0][0])).toFixed(1)}Z`;
  const firstX = x(inside(facts.line[0][0]));
  svg.append(draw("rect", {class: "chart-old", x: firstX, y: y(100), width: Math.max(0, x(end) - firstX), height: y(0) - y(100)}),
    draw("path", {class: "chart-new", d: area}));
  for (const value of [0, 25, 50, 75, 100]) {
    svg.append(draw("line", {class: "chart-grid", x1: left, x2: width - right, y1: y(value), y2: y(value)}),
      draw("text", {class: "chart-label", x: left - 7, y: y(value) + 4, "text-anchor": "end"}, `${value} %`));
  }
  for (const tick of niceTicks(facts.from, facts.to, width < 480 ? 4 : 8)) {
    const px = x(tick.at);
    if (px < left + 12 || px > width - right - 12) continue;
    svg.append(draw("line", {class: "chart-tick", x1: px, x2: px, y1: y(0), y2: y(0) + 4}),
      draw("text", {class: "chart-label", x: px, y: height - 6, "text-anchor": "middle"}, tick.label));
  }
  for (const [at, value] of facts.dots) {
    if (at <= facts.to) svg.append(draw("circle", {class: "chart-dot", cx: x(at).toFixed(1), cy: y(value).toFixed(1), r: 1.8}));
  }
  svg.append(draw("path", {class: "chart-line", d: path}));
  if (facts.coming.length > 0) {
    let ahead = "";
    facts.coming.forEach(([at, value], i) => { ahead += i === 0 ? `M${x(at)} ${y(value)}` : `H${x(at)}V${y(value)}`; });
    svg.append(draw("path", {class: "chart-ahead", d: ahead}),
      draw("line", {class: "chart-now", x1: x(now), x2: x(now), y1: y(100), y2: y(0)}),
      draw("text", {class: "chart-label", x: x(now) + 4, y: y(100) + 11}, "now"));
  }
  box.replaceChildren(svg);
  const has = (word, mark) => make("span", null, make("i", {class: mark}), word);
  $("chart-legend").replaceChildren(...(state.range === "plan"
    ? [has("weight", "key-line"), has("as planned", "key-ahead")]
    : [has("weight set", "key-line"), has(`real share of requests on ${nameOf("new")}`, "key-dot")]));
  text($("chart-text"), chartWords(facts));
}

function chartWords(facts) {
  if (state.range === "plan") {
    const end = facts.coming.length > 0 ? facts.coming[facts.coming.length - 1][0] : 0;
    return `The weight is ${percent(state.status.weight)}.` + (end > 0 && isActive(state.status.plan)
      ? ` With every hold as planned the last one ends on ${dayAndClock.format(new Date(end))}.` : "");
  }
  const hour = state.history.slice(-60);
  const sum = key => hour.reduce((total, point) => total + point[key], 0);
  const all = sum("old") + sum("new");
  if (all === 0) return "No requests in the last hour.";
  return `Last hour: ${trimmed(100 * sum("new") / all, 1)} % of ${number.format(all)} requests went to ${nameOf("new")}. ` +
    `Failed: ${number.format(sum("old_errors"))} on old, ${number.format(sum("new_errors"))} on new.`;
}

function chooseRange(range) {
  state.range = range;
  $("chart-day").setAttribute("aria-pressed", String(range === "day"));
  $("chart-plan").setAttribute("aria-pressed", String(range === "plan"));
  if (range === "plan") readAllEvents();
  renderChart();
}
$("chart-day").addEventListener("click", () => chooseRange("day"));
$("chart-plan").addEventListener("click", () => chooseRange("plan"));
new ResizeObserver(() => renderChart()).observe($("chart"));
