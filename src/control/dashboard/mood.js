// The top of the page: is all well, where the users are, can they go back?
"use strict";

// Warnings that the page has words of its own for.
function isSaid(words, status) {
  return status.freeze && status.freeze.on && words.startsWith("writes are frozen on ") ||
    status.plan.failed && words.startsWith("the guard of the plan has failed") ||
    status.audit_durable === false && words.startsWith("the audit is not on disk") ||
    ["old", "new"].some(side => status.backends[side].health === "down" && words.startsWith(`${side} has no server that is up: its users are on `));
}

function troubles(status) {
  const plan = status.plan, found = [];
  const add = (level, words) => found.push({level, words});
  if (status.freeze && status.freeze.on) {
    const routes = status.freeze.routes || [];
    add("warn", `Writes are frozen${status.freeze.since ? ` since ${moment(new Date(status.freeze.since))}` : ""} on ` +
      `${routes.length > 0 ? routes.join(", ") : "all routes"}: they are answered with 503, Retry-After ` +
      `${status.freeze.retry_after_s} s. ${sentence(plural(status.freeze.writes_open || 0, "write"))} still under way.`);
  }
  if (plan.state === "rolled_back" && plan.note) add("bad", `Rolled back. ${full(plan.note)}`);
  else if (plan.failed) add("bad", `The guard has failed. ${full(plan.note || plan.verdict_reason)}`);
  if (plan.failing_over && ["old", "new"].some(side => status.backends[side].health !== "down")) {
    add("bad", `One side takes the other's users at the moment (failover).${isActive(plan) ? " The plan does not go on meanwhile." : ""}`);
  }
  for (const side of ["old", "new"]) {
    const backend = status.backends[side];
    const has = side === "new" ? status.weight > 0 : status.weight < 100;
    if (backend.health === "down") {
      add(has ? "bad" : "warn", `${nameOf(side)} (${side}) is down${has ? ", and has users" : ", and has no users now"}.`);
    }
    if (backend.admin !== "ready") {
      add("warn", `${nameOf(side)} (${side}) is set to ${backend.admin}: ${backend.admin === "maint" ? "it gets nobody"
        : "it gets no new users"}.`);
    }
  }
  if (status.audit_durable === false) add("warn", "The events are not all on disk. Free the disk.");
  if (!status.durable) add("bad", "The last change is not on disk. Free the disk, and do not restart until then.");
  if (status.draining) add("warn", "The proxy is stopping.");
  if (!status.rollback_ready) {
    add("warn", `Rollback is not ready: ${full(status.rollback_not_ready_reason || "old cannot take the users back now")}`);
  }
  for (const words of status.warnings || []) {
    if (!isSaid(words, status) && !found.some(item => item.words.includes(words))) add("warn", full(words));
  }
  return found;
}

function moodOf(status, found) {
  const plan = status.plan;
  if (plan.state === "rolled_back") return ["warn", "Rolled back"];
  if (found.some(x => x.level === "bad") || (isActive(plan) && plan.verdict === "fail")) return ["bad", "Not well"];
  if (plan.state === "waiting") return ["warn", "It is your turn"];
  if (found.length > 0) return ["warn", "Needs a look"];
  return ["good", "All is well"];
}

function standing(status) {
  const plan = status.plan;
  if (plan.steps === 0) return "No plan: the weight is set by hand.";
  const of = `step ${plan.step} of ${plan.steps}`;
  const left = plan.hold_left_s === null ? "" : plan.hold_left_s > 0 ? `, ${duration(plan.hold_left_s)} left` : ", its time is over";
  switch (plan.state) {
    case "holding": return `Holding ${of}${left}.`;
    case "soaking": return `Soaking, ${of}${left}.`;
    case "paused": return `Paused in ${of}.`;
    case "waiting": return `Waiting for you in ${of}.`;
    case "rolled_back": return `Rolled back from ${of}.`;
    case "finished": return "The plan is finished.";
    default: return "The plan has not begun.";
  }
}

function headline(status) {
  const plan = status.plan;
  const where = status.weight === 0 ? `All users on ${nameOf("old")}.`
    : status.weight === 100 ? `All users on ${nameOf("new")}.`
      : `${percent(status.weight)} of users on ${nameOf("new")}.`;
  const verdict = isActive(plan) && plan.verdict ? ` Verdict: ${VERDICTS[plan.verdict] || plan.verdict}.` : "";
  return `${where} ${standing(status)}${verdict}`;
}

function setSplit(node, share) {
  node.style.flexGrow = share;
  show(node, share > 0);
}

// What was well is not known to be well now.
function renderMood(stale) {
  const [mood, word] = state.mood;
  $("mood").dataset.mood = stale ? "wait" : mood;
  text($("mood-text"), stale ? `When it was last heard of: ${word.toLowerCase()}` : word);
}

let lastMood = "";
function renderHero(status) {
  const found = troubles(status);
  const [mood, word] = moodOf(status, found);
  state.mood = [mood, word];
  renderMood(isStale());
  const line = headline(status);
  text($("sentence"), line);
  document.title = `${percent(status.weight)} · ${word} · cutover`;
  if (lastMood !== "" && lastMood !== word) say(`${word}. ${line}`);
  lastMood = word;
  text($("way"), `${nameOf("old")} → ${nameOf("new")}`);
  setSplit($("split-old"), 100 - status.weight);
  setSplit($("split-new"), status.weight);
  const shares = ["old", "new"].map(side => status.backends[side].share.requests_1m);
  const all = shares[0] + shares[1];
  ["old", "new"].forEach((side, i) => {
    const weight = side === "new" ? status.weight : 100 - status.weight;
    text($(`legend-${side}`), `${percent(weight)} ${nameOf(side)}`);
    text($(`legend-${side}-now`), all === 0 ? "no requests in the last minute"
      : `${trimmed(100 * shares[i] / all, 1)} % of the last minute's requests`);
  });
  const ready = status.rollback_ready;
  $("return").dataset.mood = ready ? "good" : "bad";
  refill($("return"), [ready, status.rollback_not_ready_reason, nameOf("old")], () => [
    make("i", {class: "sign"}), ready ? `Rollback ready: ${nameOf("old")} can take everybody back.`
      : `Rollback not ready: ${full(status.rollback_not_ready_reason || "old cannot take the users back now")}`]);
  const notices = found.filter(x => !x.words.startsWith("Rollback is not ready"));
  show($("notices"), notices.length > 0);
  refill($("notices"), notices, () => notices.map(({level, words}) =>
    make("li", {class: "notice", "data-mood": level}, make("i", {class: "sign"}),
      make("span", null, make("b", null, level === "bad" ? "Trouble. " : "Note. "), words))));
}
