// What the pages gain with JavaScript; without it everything works all the same.
"use strict";
const byId = (id) => document.getElementById(id);

// Copy buttons appear only where copying can work.
function offerCopying() {
  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
}

async function copy(button) {
  const source = byId(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
  } catch { // not a secure address: select it, so that one key press copies it
    if (source.select) source.select();
    else getSelection().selectAllChildren(source);
    if (!document.execCommand("copy")) return;
  }
  button.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// One hidden line for screen readers; it changes when a stage does, not with every poll.
function announce(text) {
  if (byId("announcer").textContent !== text) byId("announcer").textContent = text;
}

// A poll that failed says so until one succeeds; what a button could not do stays to be read.
function failed(event, words) {
  byId("problem").dataset.poll = event.detail.requestConfig.verb === "get" ? "yes" : "";
  if (words) byId("problem").textContent = words;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});
document.addEventListener("submit", (event) => { // sent twice it would ask twice
  if (event.defaultPrevented) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const ours = event.detail.xhr.status < 400 || event.detail.xhr.getResponseHeader("HX-Retarget");
  if (!ours) event.detail.shouldSwap = false; // a proxy's page does not belong into ours
  if (event.detail.isError) failed(event, ours ? "" : "The panel did not answer as it should.");
  else if (byId("problem").dataset.poll) byId("problem").replaceChildren();
});
document.addEventListener("htmx:sendError", (event) => failed(event, "The panel cannot be reached."));
document.addEventListener("htmx:afterSettle", () => {
  const live = document.querySelector("[data-announce]");
  if (live) announce(live.dataset.announce);
  offerCopying();
});
offerCopying();
