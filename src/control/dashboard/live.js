// What keeps the page up to date: the stream, the token that it may need, and the word about how old
// the numbers are.
"use strict";

// --- the stream

let connection = null; // an AbortController
let wake = null; // ends the wait before the next try

async function eachFrame(response, each) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    state.heardMs = performance.now();
    const blocks = (rest + decoder.decode(value, {stream: true})).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const frame = {event: "message", data: [], id: null};
      for (const line of block.split("\n")) {
        const at = line.indexOf(":");
        if (at <= 0) continue; // a comment
        const value = line.slice(at + 1).replace(/^ /, "");
        if (line.slice(0, at) === "data") frame.data.push(value);
        else if (line.slice(0, at) === "event") frame.event = value;
        else if (line.slice(0, at) === "id") frame.id = Number(value);
      }
      if (frame.data.length > 0) each(frame.event, JSON.parse(frame.data.join("\n")), frame.id);
    }
  }
}

function took(event, data, id) {
  if (event === "status") {
    const isFirst = state.status === null;
    state.status = data;
    state.trouble = "";
    if (isFirst) openPage();
    render();
    if (id !== null) readEvents(id);
  } else if (event === "compare") {
    state.compare[data.route] = data;
    render();
  }
}

async function followOnce() {
  connection = new AbortController();
  const response = await ask("GET", "/v1/status?follow=1", undefined, connection.signal);
  state.heardMs = performance.now();
  show($("login"), false);
  readHistory(true);
  await eachFrame(response, took);
  throw new Refused(0, "ended", "The proxy ended the connection.");
}

async function follow() {
  let wait = 250;
  for (;;) {
    const began = performance.now();
    try {
      await followOnce();
    } catch (error) {
      state.trouble = error instanceof Refused && error.status > 0 ? error.message : "";
    }
    renderLive();
    if (performance.now() - began > 5000) wait = 250;
    await new Promise(resolve => {
      wake = resolve;
      if (!document.hidden && !state.refused) setTimeout(resolve, wait);
    });
    wait = Math.min(wait * 2, 3000);
  }
}

function reconnect() {
  if (connection) connection.abort();
  if (wake) wake();
}

let hiddenTimer = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(() => connection && connection.abort(), HIDDEN_MS);
  else if (performance.now() - state.heardMs > STALE_MS) reconnect();
});

let eventsBusy = false;
let eventsWanted = 0;
async function readEvents(id) {
  eventsWanted = id;
  if (eventsBusy) return;
  eventsBusy = true;
  try {
    for (;;) {
      const known = state.events.length > 0 ? state.events[state.events.length - 1].id : null;
      if (known !== null && eventsWanted === known) break;
      const isNew = known === null || eventsWanted < known;
      const path = isNew ? "/v1/events?limit=300" : `/v1/events?after=${known}&limit=${EVENTS_KEPT}`;
      const wanted = eventsWanted;
      const {events} = await read(path);
      state.events = (isNew ? events : state.events.concat(events)).slice(-EVENTS_KEPT);
      renderEvents();
      renderChart();
      if (events.length === 0 || wanted === eventsWanted) break;
    }
  } catch (error) { /* the next frame asks again */ }
  eventsBusy = false;
}

let hasAllEvents = false;
async function readAllEvents() {
  if (hasAllEvents) return;
  hasAllEvents = true;
  try {
    const {events} = await read(`/v1/events?limit=${EVENTS_KEPT}`);
    if (events.length >= state.events.length) state.events = events;
    renderEvents();
    renderChart();
  } catch (error) {
    hasAllEvents = false;
  }
}

async function readHistory(all) {
  try {
    const {points} = await read(all ? "/v1/history" : "/v1/history?last=3");
    const first = points.length > 0 ? points[0].at : "";
    state.history = (all ? points : state.history.filter(p => p.at < first).concat(points)).slice(-1440);
    renderChart();
  } catch (error) { /* the chart stays as it is */ }
}
setInterval(() => {
  if (!document.hidden && !isStale()) readHistory(state.history.length === 0);
}, 5000);

// --- the token

function needToken() {
  const wasWrong = token() !== null;
  sessionStorage.removeItem(TOKEN);
  if (state.refused) return;
  state.refused = true;
  if ($("ask").open) $("ask").close();
  show($("main"), false);
  show($("rollback"), false);
  show($("login"), true);
  show($("login-error"), wasWrong);
  text($("login-error"), wasWrong ? "This token is not the one that the proxy has. Copy it again, without spaces." : "");
  text($("live-text"), "a token is needed");
  $("live").dataset.state = "wait";
  $("token").value = "";
  $("token").focus();
}

$("login").addEventListener("submit", event => {
  event.preventDefault();
  const value = $("token").value.trim();
  const isPossible = /^[\x21-\x7e]+$/.test(value);
  show($("login-error"), !isPossible);
  if (!isPossible) {
    text($("login-error"), "A token has letters, digits and signs, without spaces.");
    return;
  }
  sessionStorage.setItem(TOKEN, value);
  $("token").value = "";
  state.refused = false;
  if (state.status !== null) openPage();
  text($("live-text"), "connecting");
  reconnect();
});

$("forget").addEventListener("click", () => {
  sessionStorage.removeItem(TOKEN);
  location.reload();
});

function openPage() {
  show($("login"), false);
  show($("main"), true);
  show($("rollback"), true);
  show($("forget"), token() !== null);
}

// --- how old the numbers are

const isStale = () => performance.now() - state.heardMs > STALE_MS;

let saidStale = false;
function renderLive() {
  if (state.refused) return;
  const stale = isStale();
  const seconds = Math.floor((performance.now() - state.heardMs) / 1000);
  document.body.classList.toggle("stale", stale && state.status !== null);
  $("live").dataset.state = stale ? "gone" : "live";
  if (state.heardMs === 0) text($("live-text"), state.trouble || "connecting");
  else if (stale) text($("live-text"), state.trouble || `no connection since ${duration(seconds)}`);
  else text($("live-text"), "live");
  renderMood(stale);
  if (stale && state.status !== null && !saidStale) say("No connection to the proxy. The numbers are old.");
  if (!stale && saidStale) say("The connection is back.");
  saidStale = stale && state.status !== null;
  if (performance.now() - state.heardMs > DEAD_MS && connection && !document.hidden) {
    connection.abort();
    connection = null;
  }
}
setInterval(renderLive, 500);

function say(words) {
  text($("said"), words);
}
