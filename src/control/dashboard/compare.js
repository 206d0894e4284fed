// Both sides next to each other, and the verdict on new.
"use strict";

// --- the verdict

const isKnown = interval => Boolean(interval) && [interval.lower, interval.value, interval.upper].every(x => typeof x === "number");
const gaugeEnd = (limit, interval) => Math.max(limit * 2, interval.upper * 1.05, limit + 0.001);

function gauge(label, interval, limit, unit, digits) {
  const row = make("div", {class: "gauge"}, make("span", {class: "gauge-name"}, label));
  if (!isKnown(interval)) {
    return put(row, make("span", {class: "gauge-value"}, "–"), make("span", {class: "gauge-limit"}, `limit ${trimmed(limit, 2)}${unit}`));
  }
  const end = gaugeEnd(limit, interval);
  const at = value => `${Math.max(0, Math.min(100, 100 * value / end))}%`;
  const above = interval.value > limit;
  const span = make("span", {class: "gauge-span"});
  span.style.left = at(interval.lower);
  span.style.right = `${100 - parseFloat(at(interval.upper))}%`;
  const dot = make("span", {class: "gauge-dot"}), tick = make("span", {class: "gauge-tick"});
  dot.style.left = at(interval.value);
  tick.style.left = at(limit);
  row.dataset.mood = interval.lower > limit ? "bad" : above ? "warn" : "good";
  return put(row,
    make("span", {class: "gauge-value"}, `${trimmed(interval.value, digits)}${unit}`,
      make("small", null, ` ${trimmed(interval.lower, digits)} to ${trimmed(interval.upper, digits)}`)),
    make("span", {class: "gauge-bar", "aria-hidden": "true"}, span, tick, dot),
    make("span", {class: "gauge-limit"}, `${above ? "above" : "within"} the limit ${trimmed(limit, 2)}${unit}`));
}

function renderVerdict(plan, compare) {
  // While the plan is under way what its guard has found counts, else what is compared now.
  const found = isActive(plan) && plan.verdict || !compare ? {...plan, reason: plan.verdict_reason} : compare;
  const {verdict, reason, requests_needed: needed, seconds_needed: seconds, window_needed_s: longer} = found;
  refill($("verdict"), [verdict, reason, needed, seconds, longer, plan.strikes, plan.strikes_max, plan.failed, plan.on_fail,
    plan.warm_up_left_s, isActive(plan), compare && [compare.limits, compare.backends, compare.error_rate_over_old,
      compare.p95_ratio, compare.p95_over_old_ms]], () => {
    const parts = [];
    const mood = verdict === "pass" ? "good" : verdict === "fail" ? "bad" : "wait";
    parts.push(make("p", {class: "verdict-word", "data-mood": mood}, make("i", {class: "sign"}),
      verdict ? sentence(VERDICTS[verdict] || verdict) : "None yet"));
    if (reason) parts.push(make("p", {class: "reason"}, full(reason)));
    if (verdict === "inconclusive" && needed > 0) {
      parts.push(make("p", null, `${plural(needed, "more request")} needed` +
        (longer > 0 ? `; the guard looks back too short a time for that: at the present rate it takes a guard.window of ${duration(longer)}.`
          : seconds > 0 ? `, about ${duration(seconds)} at the present rate.` : ".")));
    }
    if (plan.warm_up_left_s > 0) parts.push(make("p", {class: "quiet"}, `Warming up: nothing is judged for ${duration(plan.warm_up_left_s)}.`));
    if (compare && compare.limits) {
      const limits = compare.limits, fresh = compare.backends.new, base = compare.backends.old;
      parts.push(make("div", {class: "gauges"},
        gauge(`Errors on ${nameOf("new")}`, fresh.requests > 0 ? fresh.error_rate : null, limits.max_error_rate, " %", 2),
        gauge("Errors over old", fresh.requests > 0 && base.requests > 0 ? compare.error_rate_over_old : null, limits.error_rate_over_old, " pp", 2),
        gauge("p95, times old's", compare.p95_ratio, limits.p95_ratio, " ×", 2),
        gauge("p95 over old", compare.p95_over_old_ms, limits.p95_over_old_ms, " ms", 0)));
    }
    if (plan.steps > 0) {
      const dots = make("span", {class: "strikes", "aria-hidden": "true"});
      for (let i = 0; i < plan.strikes_max; i++) dots.append(make("i", {"data-hit": String(plan.failed || i < plan.strikes)}));
      parts.push(make("p", {class: "quiet strike-line"}, dots,
        plan.failed ? "The guard has failed; that stays until the plan is started again or advanced by force."
          : isActive(plan) ? `${plural(plan.strikes, "strike")} of ${plan.strikes_max}; at ${plan.strikes_max} the guard ` +
            (plan.on_fail === "rollback" ? "rolls back." : "stops the plan here.") : "The guard watches while the plan is under way."));
    }
    return parts;
  });
}

// --- both sides

const KINDS = [["connect", "connect"], ["tls", "TLS"], ["timeout", "timeout"], ["broken", "broken off"],
  ["platform", "platform"], ["5xx", "5xx"]];
const SHOWN = ["401", "403", "404", "413", "429"];

function sideRow(label, cell) {
  return make("tr", null, make("th", {scope: "row"}, label),
    make("td", {class: "of-old"}, cell("old")), make("td", {class: "of-new"}, cell("new")));
}

function trio(times) {
  return make("span", {class: "trio"}, ...["p50", "p95", "p99"].map(p => make("span", null, times ? ms(times[p]) : "–")));
}

function tally(counts, keys) {
  const some = counts ? keys.filter(([key]) => counts[key] > 0) : [];
  if (!counts) return "–";
  if (some.length === 0) return make("span", {class: "quiet"}, "none");
  return make("span", {class: "tally"}, ...some.map(([key, word]) => make("span", null, `${word} `, make("b", null, number.format(counts[key])))));
}

function renderSides(status, compare) {
  const of = side => (compare ? compare.backends[side] : null);
  text($("sides-span"), compare && compare.window_s > 0 ? `compared over the last ${duration(compare.window_s)}` : "not compared yet");
  refill($("sides"), [compare && compare.backends, ["old", "new"].map(side => [nameOf(side), status.backends[side].share])], () => [
    make("thead", null, make("tr", null, make("td"),
      ...["old", "new"].map(side => make("th", {scope: "col", class: `of-${side}`}, make("span", {class: "side-name"}, nameOf(side)), make("small", null, side))))),
    make("tbody", null,
      sideRow("Requests a minute", side => make("b", null, number.format(status.backends[side].share.requests_1m))),
      sideRow("Error rate", side => {
        const facts = of(side);
        if (!facts || facts.requests === 0 || !isKnown(facts.error_rate)) return "–";
        return [make("b", null, percent(facts.error_rate.value)),
          make("small", null, `${trimmed(facts.error_rate.lower, 2)} to ${percent(facts.error_rate.upper)}`)];
      }),
      sideRow("Errors by kind", side => tally(of(side) && of(side).errors_by_kind, KINDS)),
      sideRow("Shown, not judged", side => tally(of(side) && of(side).shown, SHOWN.map(x => [x, x]))),
      sideRow("Failed over", side => (of(side) ? number.format(of(side).failovers) : "–")),
      sideRow("Open sockets", side => number.format(status.backends[side].share.sockets))),
    make("tbody", {class: "times"},
      sideRow("Times in ms", () => make("span", {class: "trio"}, ...["p50", "p95", "p99"].map(p => make("span", null, p)))),
      sideRow("Connect", side => trio(of(side) && of(side).connect_ms)),
      sideRow("First byte", side => trio(of(side) && of(side).first_byte_ms)),
      sideRow("Whole answer", side => trio(of(side) && of(side).total_ms)))]);
  const backends = ["old", "new"].map(side => ({side, ...status.backends[side], share: null}));
  refill($("servers"), backends, () => backends.map(backend => {
    const list = make("ul", {class: "server-list"});
    for (const server of backend.servers) {
      const mood = server.health === "up" ? (server.ejected ? "warn" : "good") : server.health === "down" ? "bad" : "wait";
      list.append(make("li", null, make("span", {class: "server-health", "data-mood": mood}, make("i", {class: "sign"}),
        server.ejected ? `${server.health}, ejected` : server.health),
      make("span", {class: "server-url"}, server.url),
      make("span", {class: "server-load quiet"}, `${server.active} active, ${server.idle} idle`)));
    }
    return make("div", null, make("h3", {class: `of-${backend.side}`}, backend.name || backend.side,
      backend.admin === "ready" ? null : make("small", null, backend.admin)), list);
  }));
}
