// Small helps: parts of a page that refresh themselves, buttons that copy a text, names for
// screen readers.
(() => {
  "use strict";

  const EVERY = 1000;
  const AT_MOST_EVERY = 10000;
  const SLOWER = 1.15;

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
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => copy(button));
    }
  });
})();
