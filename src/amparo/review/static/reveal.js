/** Revealing a picture: the log first, the pixels after. One picture is uncovered at a time. */
import { write } from "./api.js";

/** @type {HTMLElement | null} */
let open = null;

/** Covers whatever is revealed. */
export function cover() {
  if (!open) return;
  open.classList.remove("revealed");
  const image = open.querySelector("img");
  if (image && open.dataset.picture) image.src = `/thumb/${open.dataset.content}`;
  open = null;
}

/**
 * Logs the consultation of a veil's content and uncovers it; covers it when it is open already.
 * @param {HTMLElement} veil
 * @returns {Promise<boolean>} whether it is open now
 */
export async function reveal(veil) {
  const again = veil === open;
  cover();
  if (again) return false;
  const content = veil.dataset.content ?? "";
  const answer = await write("/reveal", { content });
  const counter = document.getElementById("reveals");
  if (counter) counter.textContent = String(answer.reveals);
  let image = veil.querySelector("img");
  if (!image) {
    image = document.createElement("img");
    image.alt = "";
    image.src = `/thumb/${content}`;
    watch(image);
    veil.prepend(image);
  }
  if (veil.dataset.picture) image.src = `/picture/${content}?side=960`;
  veil.classList.add("revealed");
  open = veil;
  return true;
}

/**
 * Says "no preview" in place of a picture that cannot be shown.
 * @param {HTMLImageElement} image
 */
export function watch(image) {
  const missing = () => {
    const veil = /** @type {HTMLElement | null} */ (image.parentElement);
    if (!veil) return;
    if (image.src.includes("/picture/")) {
      image.src = `/thumb/${veil.dataset.content}`;
      return;
    }
    image.remove();
    const none = /** @type {HTMLElement | null} */ (veil.querySelector(".none"));
    if (none) none.hidden = false;
  };
  if (image.complete && image.naturalWidth === 0 && image.src) missing();
  else image.addEventListener("error", missing);
}
