/** A person's word on a link: confirmed, refused, or taken back. */
import { write } from "./api.js";

/**
 * Sends what a button says; pressing the one that stands takes it back.
 * @param {HTMLButtonElement} button
 */
export async function judge(button) {
  const place = /** @type {HTMLElement} */ (button.closest(".verdict"));
  const said = /** @type {HTMLElement} */ (place.querySelector(".said"));
  const stands = button.getAttribute("aria-pressed") === "true";
  try {
    const answer = await write("/link", { link: place.dataset.link, code: stands ? "" : button.value });
    for (const other of place.querySelectorAll("button")) {
      other.setAttribute("aria-pressed", String(other.value === answer.code));
    }
    said.textContent = answer.code ? `${answer.code} by ${answer.by}` : "taken back";
  } catch (error) {
    said.textContent = /** @type {Error} */ (error).message;
  }
}
