// Numbers, times and states as people read them.
"use strict";

const number = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const plural = (n, one, many) => `${number.format(n)}\u00a0${n === 1 ? one : many || one + "s"}`;
const trimmed = (value, digits) => String(Number(value.toFixed(digits))).replace("-", "−");
const percent = value => `${trimmed(value, 2)}\u00a0%`;

function duration(seconds) {
  const s = Math.max(0, Math.ceil(seconds));
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  if (d > 0) return plural(d, "day") + (h > 0 ? `\u00a0${h}\u00a0h` : "");
  if (h > 0) return `${h}\u00a0h` + (m > 0 ? `\u00a0${m}\u00a0min` : "");
  if (m > 0) return `${m}\u00a0min` + (s % 60 > 0 && m < 10 ? `\u00a0${s % 60}\u00a0s` : "");
  return `${s}\u00a0s`;
}

function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 10000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return value >= 10 ? number.format(value) : trimmed(value, 1);
}

const clock = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const dayAndClock = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", hour: "2-digit",
  minute: "2-digit"});
function moment(date) {
  return date.toDateString() === new Date().toDateString() ? clock.format(date) : dayAndClock.format(date);
}

const STATES = {
  idle: "not begun", holding: "holding", paused: "paused", waiting: "waiting for you",
  rolled_back: "rolled back", soaking: "soaking", finished: "finished",
};
const VERDICTS = {pass: "pass", fail: "fail", inconclusive: "not decided yet"};
const isActive = plan => ["holding", "paused", "waiting", "soaking"].includes(plan.state);
const nameOf = side => state.status.backends[side].name || side;
const sentence = words => (/^\S+:\/\//.test(words) ? words : words ? words[0].toUpperCase() + words.slice(1) : "");
const full = words => (words ? sentence(words) + (/[.!?]$/.test(words) ? "" : ".") : "");
