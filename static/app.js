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

// "3 min ago" stays true while a page is open; by the panel's clock, whatever this one says.
// The same words as filters.relative: a test compares them.
function ago(seconds) {
  if (Math.abs(seconds) < 5) return "just now";
  const size = Math.abs(seconds);
  const units = [[31536000, 2, "year"], [604800, 3, "week"], [86400, 1, "day"], [3600, 1, "h"], [60, 1, "min"], [0, 0, "s"]];
  const [unit, , name] = units.find(([length, least]) => size >= length * least);
  const count = unit ? Math.floor(size / unit) : size;
  const said = `${count} ${name}${unit >= 86400 && count > 1 ? "s" : ""}`;
  return seconds > 0 ? `${said} ago` : `in ${said}`;
}
const ahead = document.body.dataset.now * 1000 - Date.now();
setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const said = ago(Math.round((Date.now() + ahead - Date.parse(time.dateTime)) / 1000));
    if (time.textContent !== said) time.textContent = said;
  }
}, 10000);

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});
document.addEventListener("submit", (event) => { // sent twice it would ask twice
  if (event.defaultPrevented || "download" in event.target.dataset) return; // a file leaves the page
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
