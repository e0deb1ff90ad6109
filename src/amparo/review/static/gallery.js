/** The gallery: a screenful of tiles over the queue, moved and graded from the keyboard. */
import { number } from "./api.js";
import { Grader } from "./grade.js";
import { cover, reveal } from "./reveal.js";
import { build, paint } from "./tile.js";
import { QueueWindow } from "./window.js";

const TILE = { width: 142, height: 162, gap: 10 };
const HOLD = 400;

/** @param {string} id @returns {HTMLElement} */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const field = part("field");
const grid = part("grid");
const inspector = part("inspector");
const form = /** @type {HTMLFormElement} */ (part("filters"));
/** @type {Map<string, {code: string, tone: string, name: string}>} */
const byKey = new Map();
/** @type {Map<string, {tone: string, name: string}>} */
const byCode = new Map();
for (const key of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#keys [data-key]"))) {
  const { key: press = "", code = "", tone = "", name = "" } = key.dataset;
  byKey.set(press, { code, tone, name });
  byCode.set(code, { tone, name });
}

let queue = new QueueWindow(filter());
let columns = 1;
let rows = 1;
/** Ranks: of the focused tile, of the other end of the selection, of the first tile on screen. */
let focus = 0;
let anchor = 0;
let top_ = 0;
let pressed = 0;
let moving = 0;
/** @type {AbortController | null} */
let looking = null;
let lookTimer = 0;

const grader = new Grader(part("gallery").dataset.scheme ?? "", showGrade, say);

function filter() {
  const wanted = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) wanted.set(name, String(value));
  return wanted.toString();
}

/** @param {string} words */
function say(words) {
  part("state").textContent = words;
}

/** @param {number} rank */
const tileAt = (rank) => queue.tiles[rank - queue.first];
/** @param {string} id @returns {HTMLElement | null} */
const element = (id) => grid.querySelector(`.tile[data-id="${CSS.escape(id)}"]`);

function measure() {
  columns = Math.max(1, Math.floor((field.clientWidth - 48 + TILE.gap) / TILE.width));
  rows = Math.max(1, Math.floor((field.clientHeight - 24 + TILE.gap) / TILE.height));
  grid.style.setProperty("--columns", String(columns));
}

/** @param {string} content @param {string} code @param {string} state */
function showGrade(content, code, state) {
  const tile = queue.tiles.find((t) => t.id === content);
  if (tile) tile.code = code;
  const box = element(content);
  if (box) paint(box, code, byCode.get(code), state);
  if (state === "saved" && tileAt(focus)?.id === content) look();
}

/** Draws the screenful that holds the focus. */
function draw() {
  const row = Math.floor(focus / columns);
  const first = Math.floor(top_ / columns);
  if (row < first) top_ = row * columns;
  else if (row >= first + rows) top_ = (row - rows + 1) * columns;
  else top_ = first * columns;
  const shown = [];
  for (let rank = top_; rank < Math.min(top_ + rows * columns, queue.total); rank++) {
    const tile = tileAt(rank);
    if (tile) shown.push(tile);
  }
  const held = [...grid.children].map((child) => /** @type {HTMLElement} */ (child).dataset.id);
  if (held.join() !== shown.map((tile) => tile.id).join()) {
    cover();
    grid.replaceChildren(...shown.map((tile) => element(tile.id) ?? build(tile, byCode.get(tile.code))));
  }
  select();
  part("here").textContent = number(queue.total ? focus + 1 : 0);
  part("total").textContent = number(queue.total);
  part("empty").hidden = queue.total > 0;
  const thumb = /** @type {HTMLElement} */ (part("rank").firstElementChild);
  thumb.hidden = queue.total <= rows * columns;
  thumb.style.top = `${(top_ / Math.max(1, queue.total)) * 100}%`;
  thumb.style.height = `${Math.min(100, ((rows * columns) / Math.max(1, queue.total)) * 100)}%`;
}

function select() {
  const [from, to] = [Math.min(anchor, focus), Math.max(anchor, focus)];
  for (const child of grid.children) {
    const box = /** @type {HTMLElement} */ (child);
    const rank = queue.first + queue.tiles.findIndex((tile) => tile.id === box.dataset.id);
    box.classList.toggle("focused", rank === focus);
    box.classList.toggle("selected", rank >= from && rank <= to && from !== to);
    box.setAttribute("aria-selected", String(rank >= from && rank <= to));
  }
}

/** Fills the inspector with what is known about the focused stack, in text. */
function look() {
  clearTimeout(lookTimer);
  looking?.abort();
  lookTimer = setTimeout(async () => {
    const tile = tileAt(focus);
    if (!tile) return inspector.replaceChildren();
    looking = new AbortController();
    try {
      const answer = await fetch(`/stack/${tile.id}?format=html&part=inside`, { signal: looking.signal });
      if (!answer.ok) return;
      inspector.innerHTML = await answer.text();
      /** @type {any} */ (window).htmx?.process(inspector);
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") throw error;
    }
  }, 90);
}

/** @param {number} rank @param {boolean} [extend] */
async function move(rank, extend = false) {
  const next = Math.max(0, Math.min(queue.total - 1, rank));
  if (next !== focus) cover();
  focus = next;
  if (!extend) anchor = focus;
  moving++;
  field.ariaBusy = "true";
  try {
    // Keys come faster than answers: only the answer to the latest move is drawn.
    if (queue.total && !tileAt(focus) && !(await queue.jump(focus))) return;
    draw();
    look();
    while (await queue.around(top_ - queue.first, top_ + rows * columns - queue.first)) draw();
  } catch (error) {
    say(/** @type {Error} */ (error).message);
  } finally {
    moving--;
    field.ariaBusy = String(moving > 0);
  }
}

async function restart() {
  queue = new QueueWindow(filter());
  focus = anchor = top_ = 0;
  try {
    await queue.jump(0);
    await move(0);
  } catch (error) {
    say(/** @type {Error} */ (error).message);
  }
}

/** @param {string} code */
function judge(code) {
  const [from, to] = [Math.min(anchor, focus), Math.max(anchor, focus)];
  const tiles = [];
  for (let rank = from; rank <= to; rank++) if (tileAt(rank)) tiles.push(tileAt(rank));
  if (!tiles.length) return;
  grader.grade(tiles, code);
  move(to + 1);
}

function undo() {
  const content = grader.undo();
  const place = queue.tiles.findIndex((tile) => tile.id === content);
  if (place >= 0) move(queue.first + place);
  else say(content ? "Undone, out of sight." : "Nothing to undo.");
}

async function uncover() {
  const tile = tileAt(focus);
  const veil = tile && /** @type {HTMLElement | null} */ (element(tile.id)?.querySelector(".veil"));
  if (!veil) return;
  try {
    const open = await reveal(veil);
    // The answer may come after the analyst has moved on or let go.
    if (open && (tileAt(focus)?.id !== tile.id || pressed < 0)) cover();
  } catch (error) {
    say(`Not revealed: ${/** @type {Error} */ (error).message}`);
  }
}

const MOVES = new Map([
  ["ArrowLeft", () => focus - 1],
  ["ArrowRight", () => focus + 1],
  ["ArrowUp", () => (focus >= columns ? focus - columns : focus)],
  ["ArrowDown", () => focus + columns],
  ["PageUp", () => focus - columns * rows],
  ["PageDown", () => focus + columns * rows],
  ["Home", () => 0],
  ["End", () => queue.total - 1],
]);

document.addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.matches("input, select, textarea, button, a") || target.closest("dialog")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const going = MOVES.get(event.key);
  const category = byKey.get(event.key);
  if (going) move(going(), event.shiftKey);
  else if (category) judge(category.code);
  else if (event.key === "z") undo();
  else if (event.key === "Enter" && tileAt(focus)) location.assign(`/content/${tileAt(focus).id}`);
  else if (event.key === " ") {
    if (!event.repeat) {
      pressed = performance.now();
      uncover();
    }
  } else return;
  event.preventDefault();
});
document.addEventListener("keyup", (event) => {
  if (event.key !== " " || pressed <= 0) return;
  pressed = performance.now() - pressed > HOLD ? -1 : 0;
  if (pressed < 0) cover();
});
grid.addEventListener("click", (event) => {
  const box = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest(".tile"));
  if (!box) return;
  field.focus({ preventScroll: true });
  move(queue.first + queue.tiles.findIndex((tile) => tile.id === box.dataset.id), event.shiftKey);
});
grid.addEventListener("dblclick", () => tileAt(focus) && location.assign(`/content/${tileAt(focus).id}`));
field.addEventListener("wheel", (event) => {
  event.preventDefault();
  move(focus + Math.sign(event.deltaY) * columns);
}, { passive: false });
part("rank").addEventListener("click", (event) => {
  const box = part("rank").getBoundingClientRect();
  move(Math.floor(((event.clientY - box.top) / box.height) * queue.total));
});
form.addEventListener("change", () => {
  history.replaceState(null, "", `/gallery?${filter()}`);
  field.focus();
  restart();
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("beforeunload", (event) => grader.busy && event.preventDefault());
new ResizeObserver(() => {
  measure();
  if (queue.total) draw();
}).observe(field);
measure();
field.focus({ preventScroll: true });
restart();
