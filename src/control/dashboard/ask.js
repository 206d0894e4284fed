// The dialog: nothing is done before it has said what will happen.
"use strict";

let asked = null; // what the dialog is about

function plain(name) {
  return name.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").trim();
}

// question: title, lines, button, look, fields, do(answers, force), wantsReason, mayForce(error)
function openAsk(question) {
  asked = question;
  text($("ask-title"), question.title);
  $("ask-body").replaceChildren(...question.lines.filter(Boolean).map(line => make("p", null, line)));
  $("ask-fields").replaceChildren(...(question.fields || []));
  $("reason").value = "";
  $("actor").value = actor();
  show($("ask-why"), question.wantsReason !== false);
  show($("ask-name"), actor() === "" || question.asksName === true);
  show($("ask-error"), false);
  show($("ask-force"), false);
  show($("ask-yes"), !question.isShut);
  $("ask-yes").disabled = false;
  text($("ask-yes"), question.button);
  $("ask-yes").className = question.look || "primary";
  if (!$("ask").open) $("ask").showModal();
  const first = question.fields && question.fields.length > 0 ? question.fields[0].querySelector("input") : null;
  (first || (actor() === "" || question.asksName ? $("actor") : question.wantsReason === false ? $("ask-yes") : $("reason"))).focus();
}

function askFailed(message) {
  text($("ask-error"), message);
  show($("ask-error"), true);
}

function takeName() {
  if ($("ask-name").hidden) return true;
  const name = plain($("actor").value);
  if (!/^[\x20-\x7e]*$/.test(name)) {
    askFailed("Please write the name with the letters a to z: it goes into a header.");
    $("actor").focus();
    return false;
  }
  if (name) localStorage.setItem(ACTOR, name);
  else localStorage.removeItem(ACTOR);
  return true;
}

async function runAsked(force) {
  const question = asked;
  show($("ask-error"), false);
  if (!takeName()) return;
  $("ask-yes").disabled = $("ask-force").disabled = true;
  try {
    const answer = await question.do($("reason").value.trim(), force);
    if (asked === question) $("ask").close();
    if (answer && answer.backends) {
      state.status = answer;
      render();
    }
    say(question.done || "Done.");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (asked === question && $("ask").open) {
      askFailed(error.message);
      const may = !force && question.mayForce && question.mayForce(error);
      show($("ask-force"), Boolean(may));
      if (may) {
        text($("ask-force"), question.forceButton);
        show($("ask-yes"), false);
      }
    }
  }
  $("ask-yes").disabled = $("ask-force").disabled = false;
}

$("ask-form").addEventListener("submit", event => {
  event.preventDefault();
  if (asked && !$("ask-yes").hidden && !$("ask-yes").disabled) runAsked(false);
});
$("ask-force").addEventListener("click", () => runAsked(true));
$("ask-no").addEventListener("click", () => $("ask").close());
$("ask").addEventListener("close", () => { asked = null; });

const withReason = (body, reason) => (reason ? {...body, reason} : body);
const withRoute = (body, route) => (route === "main" ? body : {...body, route});
const call = async (method, path, body) => (await ask(method, path, body)).json();
