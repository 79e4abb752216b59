// What the pages gain with JavaScript; without it everything works all the same.
"use strict";

// Copy buttons: they appear only where copying works.
function offerCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) {
    button.hidden = false;
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.value ?? source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No permission, or not a secure address: select it, so that one key press copies it.
    if (source.select) source.select();
    else getSelection().selectAllChildren(source);
    if (!document.execCommand("copy")) return;
  }
  const label = button.textContent;
  button.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.textContent = label; }, 2000);
}

// One hidden line for screen readers; it changes when a stage does, not with every poll.
function announce(text) {
  const line = document.getElementById("announcer");
  if (line && line.textContent !== text) line.textContent = text;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});

document.addEventListener("submit", (event) => {
  // A form that is sent twice would ask twice.
  if (event.defaultPrevented) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});

addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

document.addEventListener("htmx:afterSettle", () => {
  const live = document.querySelector("[data-announce]");
  if (live) announce(live.dataset.announce);
  offerCopying(document);
});

offerCopying(document);
