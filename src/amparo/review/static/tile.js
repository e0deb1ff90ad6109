/** One tile: a veiled thumbnail, what is known about the stack, and its judgement. */
import { number } from "./api.js";
import { watch } from "./reveal.js";

/** @typedef {{tone: string, name: string}} Category */

/** @param {string} name @param {string} [className] @param {string} [text] */
function make(name, className = "", text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

/**
 * @param {import("./window.js").Tile} tile
 * @param {Category | undefined} category of its judgement
 */
export function build(tile, category) {
  const box = make("div", "tile");
  box.dataset.id = tile.id;
  box.setAttribute("role", "gridcell");
  const veil = make("div", "veil");
  veil.dataset.content = tile.id;
  const none = make("span", "none", tile.known ? "known, not shown" : "no preview");
  none.hidden = !tile.known;
  veil.append(none);
  if (!tile.known) {
    // Known material is not even loaded before somebody asks for it.
    const image = document.createElement("img");
    image.alt = "";
    image.decoding = "async";
    image.src = `/thumb/${tile.id}`;
    veil.prepend(image);
    watch(image);
  }
  const corner = make("div", "corner");
  if (tile.known) corner.append(make("span", `tag ${tile.known}`, `known: ${tile.known}`));
  if (tile.mime.startsWith("video/")) corner.append(make("span", "tag", tile.length ? `video ${tile.length}` : "video"));
  const foot = make("div", "foot");
  const copies = make("span", "", tile.files === 1 ? "1 file" : `${number(tile.files)} files`);
  copies.title = `${tile.contents} contents, ${tile.files} files on ${tile.exhibits} exhibits`;
  if (tile.exhibits > 1) copies.textContent += ` · ${tile.exhibits} ex.`;
  foot.append(make("span", "grade"), copies);
  box.append(veil, corner, foot);
  paint(box, tile.code, category, "");
  return box;
}

/**
 * Shows a judgement in the tile's foot.
 * @param {HTMLElement} box
 * @param {string} code
 * @param {Category | undefined} category
 * @param {string} state "pending", "refused" or anything else for saved
 */
export function paint(box, code, category, state) {
  box.dataset.tone = category?.tone ?? "";
  const words = /** @type {HTMLElement} */ (box.querySelector(".grade"));
  words.textContent = category ? category.name : code;
  words.title = category ? `${code} · ${category.name}` : "";
  box.classList.toggle("pending", state === "pending");
  box.classList.toggle("refused", state === "refused");
}
