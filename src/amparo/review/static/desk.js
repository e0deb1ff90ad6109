/** What every page does: keys, the drawer, the help, rows that open, filters that apply at once. */
import { judge } from "./link.js";
import { cover, reveal, watch } from "./reveal.js";

const drawer = /** @type {HTMLElement} */ (document.getElementById("drawer"));
const help = /** @type {HTMLDialogElement} */ (document.getElementById("help"));
const find = /** @type {HTMLInputElement} */ (document.getElementById("find"));
let going = 0;

/** @param {EventTarget | null} target */
function typing(target) {
  return target instanceof HTMLElement && target.matches("input, select, textarea");
}

/** Moves the focus between rows of tables. @param {number} step */
function row(step) {
  const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("main tbody tr[tabindex]")]);
  if (!rows.length) return;
  const here = document.activeElement?.closest("tr");
  const index = here ? rows.indexOf(/** @type {HTMLElement} */ (here)) : step > 0 ? -1 : rows.length;
  const next = rows[Math.max(0, Math.min(rows.length - 1, index + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function closeTop() {
  if (help.open) help.close();
  else if (drawer.childElementCount) drawer.replaceChildren();
  else cover();
}

/** @param {KeyboardEvent} event */
function key(event) {
  if (event.key === "Escape") {
    if (typing(event.target)) /** @type {HTMLElement} */ (event.target).blur();
    closeTop();
    return;
  }
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (going && performance.now() - going < 1500) {
    going = 0;
    const link = /** @type {HTMLAnchorElement | null} */ (
      document.querySelector(`nav a[data-go="${CSS.escape(event.key)}"]`)
    );
    if (link) {
      event.preventDefault();
      location.assign(link.href);
      return;
    }
  }
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  switch (event.key) {
    case "g": going = performance.now(); break;
    case "/": event.preventDefault(); find.focus(); find.select(); break;
    case "?": event.preventDefault(); help.open ? help.close() : help.showModal(); break;
    case "j": row(1); break;
    case "k": row(-1); break;
    case "c": colour(!document.body.classList.contains("colour")); break;
    case "Enter":
      if (focused?.matches("tr[data-href]")) location.assign(focused.dataset.href ?? "");
      else if (focused?.matches("tr")) /** @type {HTMLElement | null} */ (focused.querySelector("a.why"))?.click();
      break;
    case " ": {
      const button = /** @type {HTMLElement | null} */ (document.querySelector("[data-reveal]"));
      if (button && !focused?.matches("button, a")) {
        event.preventDefault();
        button.click();
      }
    }
  }
}

/** @param {boolean} on */
function colour(on) {
  document.body.classList.toggle("colour", on);
  sessionStorage.setItem("colour", on ? "1" : "");
}

document.addEventListener("keydown", key);
document.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest("[data-close]")) return closeTop();
  const button = /** @type {HTMLElement | null} */ (target.closest("[data-reveal]"));
  if (button) {
    const veil = /** @type {HTMLElement | null} */ (
      document.querySelector(`.veil[data-content="${button.dataset.reveal}"]`)
    );
    if (veil) reveal(veil).catch((error) => (button.textContent = error.message));
    return;
  }
  const verdict = /** @type {HTMLButtonElement | null} */ (target.closest(".verdict button"));
  if (verdict) return void judge(verdict);
  if (target.closest("a, button, input, select, label")) return;
  const line = /** @type {HTMLElement | null} */ (target.closest("tr[data-href]"));
  if (line && !getSelection()?.toString()) location.assign(line.dataset.href ?? "");
});
document.addEventListener("change", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.matches("[data-submit]")) /** @type {HTMLFormElement} */ (target.closest("form")).submit();
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target !== drawer) return;
  for (const close of drawer.querySelectorAll("[data-close]")) close.removeAttribute("hidden");
  drawer.scrollTop = 0;
});
for (const image of document.querySelectorAll(".veil img")) watch(/** @type {HTMLImageElement} */ (image));
colour(sessionStorage.getItem("colour") === "1");
