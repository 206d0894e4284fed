// Draws all of it with each status, and begins.
"use strict";

function render() {
  const status = state.status;
  if (status === null || $("main").hidden) return;
  const compare = state.compare.main;
  renderHero(status);
  planView("main", $("plan")).update(status.plan);
  renderVerdict(status.plan, compare);
  renderSides(status, compare);
  renderRoutes(status);
  renderChart();
  renderLive();
  const freeze = status.freeze || {on: false};
  text($("freeze-text"), freeze.on ? `Writes are frozen. ${plural(freeze.writes_open || 0, "write")} still under way.`
    : "Writes go through. A freeze answers them with 503 while data is copied.");
  text($("freeze"), freeze.on ? "End the freeze…" : "Freeze writes…");
  text($("weight-name"), nameOf("new"));
  if ($("weight").value === "" && document.activeElement !== $("weight")) $("weight").placeholder = trimmed(status.weight, 2);
  text($("version"), `cutover ${status.version}, up for ${duration(status.uptime_s)}, generation ${status.generation}.`);
  text($("who"), actor() ? `You act as ${actor()}.` : "You have not said your name yet.");
}

follow();
