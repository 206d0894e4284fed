// The API: a request with its token, or why there is no answer.
"use strict";

const TOKEN = "cutover.token";
const ACTOR = "cutover.actor";
const token = () => sessionStorage.getItem(TOKEN);
const actor = () => localStorage.getItem(ACTOR) || "";

class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

function headers(more) {
  const all = {...more};
  if (token()) all.Authorization = `Bearer ${token()}`;
  return all;
}

async function ask(method, path, body, signal) {
  const more = body === undefined ? {} : {"Content-Type": "application/json"};
  if (method !== "GET" && actor()) more["X-Actor"] = actor();
  let response;
  try {
    response = await fetch(path, {method, headers: headers(more), cache: "no-store", signal,
      credentials: "omit", redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body)});
  } catch (error) {
    throw new Refused(0, "no_connection", "There is no connection to the proxy. Nothing is known to have changed; " +
      "look at the status once it is back.");
  }
  if (!response.ok) {
    let answer = null;
    try {
      answer = (await response.json()).error;
    } catch (error) { /* not ours */ }
    if (response.status === 401) needToken();
    throw new Refused(response.status, answer ? answer.code : "", answer ? full(answer.message)
      : `The proxy answered ${response.status}.`);
  }
  return response;
}

const read = async (path, signal) => (await ask("GET", path, undefined, signal)).json();
