/** Judgements: shown at once, sent in batches every 100 ms, confirmed by the server, undone with z. */
import { write } from "./api.js";

const EVERY = 100;

/** @typedef {{content: string, code: string}} Grade */

export class Grader {
  /**
   * @param {string} scheme title of the case's scheme, sent with every batch
   * @param {(content: string, code: string, state: "pending" | "saved" | "refused") => void} show
   * @param {(words: string) => void} say
   */
  constructor(scheme, show, say) {
    this.scheme = scheme;
    this.show = show;
    this.say = say;
    /** @type {Grade[]} */ this.waiting = [];
    /** @type {Grade[][]} */ this.undoable = [];
    this.timer = 0;
    this.sending = false;
    this.saved = 0;
  }

  /**
   * @param {{id: string, code: string}[]} tiles as they are now
   * @param {string} code
   */
  grade(tiles, code) {
    this.undoable.push(tiles.map((tile) => ({ content: tile.id, code: tile.code })));
    this.undoable = this.undoable.slice(-1000);
    this.enqueue(tiles.map((tile) => ({ content: tile.id, code })));
  }

  /** @returns {string} the content undone, "" when there is nothing to undo */
  undo() {
    const last = this.undoable.pop();
    if (!last) return "";
    this.enqueue(last);
    return last[0].content;
  }

  /** @param {Grade[]} grades */
  enqueue(grades) {
    for (const grade of grades) this.show(grade.content, grade.code, "pending");
    this.waiting.push(...grades);
    if (!this.timer) this.timer = setTimeout(() => this.send(), EVERY);
  }

  async send() {
    this.timer = 0;
    if (this.sending || !this.waiting.length) return;
    this.sending = true;
    const batch = this.waiting.splice(0, 500);
    try {
      await write("/grade", { scheme: this.scheme, grades: batch });
      this.saved += batch.length;
      for (const grade of batch) this.show(grade.content, grade.code, "saved");
      this.say(`${this.saved} saved`);
    } catch (error) {
      for (const grade of batch) this.show(grade.content, grade.code, "refused");
      this.say(`Not saved: ${/** @type {Error} */ (error).message}`);
    }
    this.sending = false;
    if (this.waiting.length && !this.timer) this.timer = setTimeout(() => this.send(), EVERY);
  }

  /** @returns {boolean} whether something has not reached the server */
  get busy() {
    return this.sending || this.waiting.length > 0;
  }
}
