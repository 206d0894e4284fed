// The page of the admin port. One stream (GET /v1/status?follow=1) brings the status each second, a
// comparison every few, and with each the number of the newest event; the rest is asked for when it
// changes. What comes from outside becomes text, never markup: nodes are made, not parsed.
//
// control/dashboard.c joins the files beside this one into one script, this one first, start.js last.
// Here is what all of them share: what is known, and the making of nodes.
"use strict";

const $ = id => document.getElementById(id);

const EVENTS_SHOWN = 40;
const EVENTS_KEPT = 1000;
const STALE_MS = 4000; // without a frame; one comes each second
const DEAD_MS = 12000; // the connection is given up
const HIDDEN_MS = 60000; // a tab that nobody looks at leaves its connection to others
const SVG = "http://www.w3.org/2000/svg";

const state = {
  status: null,
  compare: {}, // by route
  events: [], // oldest first
  history: [],
  range: "day",
  filter: "all",
  shown: EVENTS_SHOWN,
  heardMs: 0, // when the last frame came
  trouble: "", // why there is no connection
  refused: false, // a token is needed
  mood: ["wait", ""],
};

// --- nodes

function put(node, ...children) {
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

function make(tag, options, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(options || {})) {
    if (key === "class") node.className = value;
    else if (key === "on") for (const [name, f] of Object.entries(value)) node.addEventListener(name, f);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  return put(node, ...children);
}

function draw(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  return put(node, ...children);
}

function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

// Makes a part anew only when what it shows has changed, so that nothing is lost under a cursor.
const drawn = new WeakMap();
function refill(node, facts, build) {
  const key = JSON.stringify(facts);
  if (drawn.get(node) === key) return;
  drawn.set(node, key);
  node.replaceChildren(...[build()].flat().filter(Boolean));
}
