// The console: sends what is in the form, shows what comes back, and plays the part of the EHR.
// All HTML comes from this server, escaped there; nothing typed or received is turned into HTML here.
"use strict";

(() => {
  const form = document.getElementById("call");
  const text = document.getElementById("document");
  const result = document.getElementById("result");
  const log = document.getElementById("log");
  const { ask, feedback } = document.body.dataset;
  let cards = [];
  let orders = [];
  let latest = 0;
  let hookIsChosen = false;

  const value = (id) => document.getElementById(id)?.value ?? "";

  function tell(words, kind = "") {
    const line = document.createElement("li");
    line.textContent = words;
    line.className = kind;
    log.prepend(line);
    while (log.children.length > 6) log.lastChild.remove();
  }

  async function post(url, body) {
    const headers = { "Content-Type": "application/json" };
    if (value("token")) headers.Authorization = `Bearer ${value("token")}`;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    const answer = await response.json();
    if (!response.ok) {
      const issues = (answer.issue ?? []).map((issue) =>
        [issue.expression?.join(", "), issue.diagnostics ?? issue.details?.text].filter(Boolean).join(": "));
      throw new Error(`${response.status}: ${issues.join("; ") || "no reason given"}`);
    }
    return answer;
  }

  function call() {
    const bundle = !document.getElementById("for-bundle").hidden;
    const sent = { document: text.value };
    if (hookIsChosen || bundle) sent.hook = value("hook");
    if (value("client")) sent.client = value("client");
    if (value("asof")) sent.asOf = value("asof");
    if (bundle) {
      sent.order = value("order");
      sent.wholeChart = document.getElementById("whole").checked;
    }
    return sent;
  }

  async function fire(sent) {
    const turn = ++latest;
    const began = performance.now();
    result.setAttribute("aria-busy", "true");
    try {
      const answer = await post(ask, sent);
      if (turn !== latest) return; // a newer answer is on its way, or here
      show(answer, performance.now() - began);
    } catch (error) {
      if (turn !== latest) return;
      result.replaceChildren(message(error));
      cards = [];
    } finally {
      if (turn === latest) result.removeAttribute("aria-busy");
    }
  }

  function show(answer, took) {
    const page = new DOMParser().parseFromString(answer.html, "text/html");
    result.replaceChildren(...page.body.childNodes);
    cards = answer.cards;
    if (answer.status === 200) text.value = answer.request; // what is wrong stays as it was pasted
    document.getElementById("asof").value = answer.asOf;
    if (answer.status === 200) document.getElementById("hook").value = answer.hook;
    hookIsChosen = false;
    document.getElementById("said").textContent = said(answer);
    const place = document.getElementById("round-trip");
    if (place) place.textContent = `seen from here ${took.toFixed(0)} ms;`;
    noticeBundle();
    orders = answer.orders;
  }

  // One sentence for those who listen; the page itself is there to be read at leisure.
  function said(answer) {
    if (answer.status !== 200) return `No decision: the hook would answer ${answer.status}.`;
    if (!answer.cards.length) return "No card.";
    return answer.cards.map((card) => `${card.indicator}: ${card.summary}`).join(" ");
  }

  function message(error) {
    const found = document.createElement("p");
    found.className = "failed";
    found.setAttribute("role", "alert");
    found.textContent = `The console got no answer. ${error.message}`;
    return found;
  }

  function noticeBundle() {
    const isBundle = /^\s*\{[^{[]*"resourceType"\s*:\s*"Bundle"/.test(text.value);
    document.getElementById("for-bundle").hidden = !isBundle;
  }

  // What the EHR does with a suggestion: the draft orders change as its actions say.
  function apply(request, actions) {
    const context = request.context;
    const entries = context.draftOrders.entry ?? [];
    const name = (resource) => `${resource.resourceType}/${resource.id}`;
    let selections = context.selections ?? entries.map((entry) => name(entry.resource));
    context.draftOrders.entry = entries;
    for (const action of actions) {
      const at = entries.findIndex((entry) =>
        name(entry.resource) === (action.resourceId ?? name(action.resource ?? {})));
      if (action.type === "create") {
        const fresh = { ...action.resource, id: `order-${entries.length + 1}` };
        entries.push({ resource: fresh });
        selections = [...selections, name(fresh)];
      } else if (at >= 0 && action.type === "update") {
        entries[at] = { ...entries[at], resource: action.resource };
      } else if (at >= 0 && action.type === "delete") {
        const gone = name(entries[at].resource);
        entries.splice(at, 1);
        selections = selections.filter((one) => one !== gone);
      }
    }
    if (request.hook === "order-select") context.selections = selections;
    return request;
  }

  async function send(place, outcome, words) {
    try {
      const kept = await post(feedback, { feedback: [{ ...outcome, outcomeTimestamp: new Date().toISOString() }] });
      const state = kept.repeated ? "was stored before" : "is stored";
      place.textContent = `${words}. Feedback ${state}.`;
      tell(`${words}. Feedback ${state}.`, "good");
    } catch (error) {
      place.textContent = `${words}. Feedback was not stored: ${error.message}`;
      tell(place.textContent, "bad");
    }
  }

  async function take(card, suggestion, article) {
    const before = orders.join(", ");
    if (article.querySelector(".override")) {
      const outcome = { card: card.uuid, outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] };
      await send(article.querySelector(".kept"), outcome, `Taken: ${suggestion.label}`);
    }
    const request = apply(JSON.parse(text.value), suggestion.actions ?? []);
    text.value = JSON.stringify(request, null, 1);
    if (!request.context.draftOrders.entry.length) {
      tell("No order is left: the hook does not fire.");
      return;
    }
    await fire(call());
    tell(`The order changed from ${before} to ${orders.join(", ")}, and the hook fired again.`);
    result.focus({ preventScroll: false });
  }

  async function override(card, article, fields) {
    const reason = card.overrideReasons?.[Number(fields.reason.value)];
    const outcome = { card: card.uuid, outcome: "overridden" };
    const comment = fields.comment.value.trim();
    if (fields.reason.value !== "" && reason) {
      outcome.overrideReason = { reason: { code: reason.code, system: reason.system } };
    }
    if (comment) outcome.overrideReason = { ...outcome.overrideReason, userComment: comment };
    const words = fields.reason.value === "" ? "Overridden" : `Overridden: ${reason.display}`;
    await send(article.querySelector(".kept"), outcome, words);
  }

  result.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
    const button = event.target.closest("[data-suggestion]");
    const article = button?.closest("[data-card]");
    if (!article) return;
    const card = cards[Number(article.dataset.card)];
    take(card, card.suggestions[Number(button.dataset.suggestion)], article);
  });

  result.addEventListener("submit", (event) => {
    event.preventDefault();
    const article = event.target.closest("[data-card]");
    if (article) override(cards[Number(article.dataset.card)], article, event.target.elements);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fire(call());
  });

  form.addEventListener("change", (event) => {
    if (event.target.name === "hook") hookIsChosen = true;
    if (event.target.name !== "example") return;
    log.replaceChildren();
    const sent = { example: event.target.value };
    if (value("client")) sent.client = value("client");
    fire(sent);
  });

  text.addEventListener("input", () => {
    noticeBundle();
    for (const one of form.querySelectorAll("[name=example]:checked")) one.checked = false;
  });

  // An address may name the example to begin with; otherwise it is the first.
  const wished = new URLSearchParams(location.search).get("example");
  const all = [...form.querySelectorAll("[name=example]")];
  const first = all.find((one) => one.value === wished) ?? all[0];
  if (first && !document.getElementById("token")) {
    first.checked = true;
    fire({ example: first.value });
  }
})();
