// What happened, newest first.
"use strict";

const OWN_DOING = ["health", "eject", "memory", "resolve", "certificate", "log"];

function eventNode(event) {
  const went = event.result === "ok";
  const value = x => (x === "" || x === null || x === undefined ? null : typeof x === "number" ? percent(x) : x);
  const from = value(event.from), to = value(event.to);
  const date = new Date(event.at);
  return make("li", {class: "event", "data-result": went ? "ok" : "not"},
    make("time", {datetime: event.at, title: date.toLocaleString()}, moment(date)),
    make("span", {class: "event-what"}, event.what),
    make("span", {class: "event-body"},
      event.subject ? make("span", {class: "event-subject"}, event.subject, " ") : null,
      from !== null || to !== null ? make("b", {class: "event-move"}, from === null ? to : to === null ? from : `${from} → ${to}`, " ") : null,
      went ? null : make("b", {class: "event-not"}, event.result === "not_durable" ? "not on disk " : `refused: ${event.result} `),
      event.reason ? make("span", {class: "event-reason"}, event.reason, " ") : null,
      make("span", {class: "event-actor"}, `by ${event.actor}`)));
}

function renderEvents() {
  const wanted = state.filter === "all" ? state.events : state.events.filter(event => !OWN_DOING.includes(event.what));
  const list = wanted.slice(-state.shown).reverse();
  refill($("events"), [list.map(event => event.id), state.filter, new Date().toDateString()], () =>
    (list.length > 0 ? list.map(eventNode) : make("li", {class: "quiet"}, "Nothing yet.")));
  show($("events-more"), wanted.length > state.shown);
}

function chooseEvents(filter) {
  state.filter = filter;
  $("events-all").setAttribute("aria-pressed", String(filter === "all"));
  $("events-changes").setAttribute("aria-pressed", String(filter === "changes"));
  renderEvents();
}
$("events-all").addEventListener("click", () => chooseEvents("all"));
$("events-changes").addEventListener("click", () => chooseEvents("changes"));
$("events-more").addEventListener("click", () => {
  state.shown += 200;
  readAllEvents();
  renderEvents();
});
