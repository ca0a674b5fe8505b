// Small helps: parts of a page that refresh themselves or follow a form, buttons that copy a text,
// names for screen readers.
(() => {
  "use strict";

  const EVERY = 1000;
  const AT_MOST_EVERY = 10000;
  const SLOWER = 1.15;
  const PAUSE = 300;

  // A part with data-refresh="address" is fetched again for as long as what it holds says
  // data-under-way. It changes on the page only when it changed on the server, so that nobody
  // loses the button they are about to press.
  function refresh(part, wait) {
    if (!part.querySelector("[data-under-way]")) return;
    window.setTimeout(async () => {
      const changed = await load(part);
      refresh(part, changed ? EVERY : Math.min(wait * SLOWER, AT_MOST_EVERY));
    }, wait);
  }

  async function load(part) {
    if (document.hidden) return false;
    try {
      const answer = await fetch(part.dataset.refresh, { redirect: "error" });
      const text = answer.ok ? await answer.text() : part.shown;
      if (text === part.shown) return false;
      part.innerHTML = part.shown = text;
      return true;
    } catch {
      return false; // the server is away, or wants a new sign-in: the next turn may see more
    }
  }

  // A part with data-asks="address" and data-form="id" shows what the address answers to that form
  // as it is being filled in. What is shown is always of the last that was typed.
  function follow(part) {
    const form = document.getElementById(part.dataset.form);
    let turn = 0;
    form?.addEventListener("input", () => {
      const mine = ++turn;
      window.setTimeout(async () => {
        const text = mine === turn ? await asked(part.dataset.asks, form) : null;
        if (mine === turn && text !== null) part.innerHTML = text;
      }, PAUSE);
    });
  }

  async function asked(address, form) {
    try {
      const body = new FormData(form);
      const answer = await fetch(address, { method: "POST", body, redirect: "error" });
      return answer.ok ? await answer.text() : null;
    } catch {
      return null;
    }
  }

  async function copy(button) {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected: press Ctrl+C"; // browsers copy over HTTPS only
    }
  }

  // Unfold's icons are words in a font of pictures, which would be read aloud before the label.
  function silence(icon) {
    const host = icon.closest("a, button, label");
    if (host && (host.title || host.textContent.trim() !== icon.textContent.trim())) {
      icon.ariaHidden = "true";
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".material-symbols-outlined").forEach(silence);
    for (const field of document.querySelectorAll("input[placeholder]:not([aria-label])")) {
      if (!field.labels.length) field.ariaLabel = field.placeholder; // the search
    }
    for (const part of document.querySelectorAll("[data-refresh]")) refresh(part, EVERY);
    document.querySelectorAll("[data-asks]").forEach(follow);
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => copy(button));
    }
  });
})();
