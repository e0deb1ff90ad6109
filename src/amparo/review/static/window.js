/** A window on the queue: tiles around where the analyst is, fetched ahead and behind. */
import { read } from "./api.js";

/**
 * @typedef {{id: string, position: number, contents: number, files: number, exhibits: number,
 *   known: string, camera: boolean, mime: string, length: string, scheme: string, version: string, code: string}} Tile
 */

const STEP = 120;
const MOST = 600;

export class QueueWindow {
  /** @param {string} filter query string of the filter */
  constructor(filter) {
    this.filter = filter;
    /** @type {Tile[]} */ this.tiles = [];
    /** Rank of the first tile held, counted over the filtered order when it was fetched. */
    this.first = 0;
    this.total = 0;
    /** Nothing is left before this rank. */
    this.start = 0;
    this.index = 0;
    this.jumps = 0;
    /** @type {Promise<void> | null} */ this.fetching = null;
  }

  /** @param {string} where */
  async fetch(where) {
    return read(`/gallery?format=json&limit=${STEP}&${where}&${this.filter}`);
  }

  /**
   * Starts over so that this rank is held.
   * @param {number} rank
   * @returns {Promise<boolean>} false when a later jump overtook this one
   */
  async jump(rank) {
    const ticket = ++this.jumps;
    const answer = await this.fetch(`rank=${Math.max(0, rank - STEP / 2)}`);
    if (ticket !== this.jumps) return false;
    this.tiles = answer.tiles;
    this.first = answer.first;
    this.start = 0;
    this.total = answer.total;
    this.index = answer.index;
    return true;
  }

  /**
   * Makes sure that tiles around [from, to) are held; false when nothing had to be fetched.
   * @param {number} from place in ``tiles``
   * @param {number} to
   */
  async around(from, to) {
    if (this.fetching || !this.tiles.length) return false;
    const ahead = to + STEP / 2 > this.tiles.length && this.first + this.tiles.length < this.total;
    const behind = from < STEP / 8 && this.first > this.start;
    if (!ahead && !behind) return false;
    const last = this.tiles[this.tiles.length - 1];
    const where = ahead ? `after=${last.position}` : `before=${this.tiles[0].position}`;
    const ticket = this.jumps;
    const job = this.fetch(where).then((answer) => {
      if (ticket === this.jumps) this.take(answer, ahead);
    });
    this.fetching = job;
    try {
      await job;
    } finally {
      this.fetching = null;
    }
    return true;
  }

  /**
   * @param {{tiles: Tile[], index: number, first: number, total: number}} answer
   * @param {boolean} ahead
   */
  take(answer, ahead) {
    if (answer.index !== this.index) throw new Error("The case has changed; reload to see it.");
    if (!answer.tiles.length) {
      if (ahead) this.total = this.first + this.tiles.length;
      else this.start = this.first;
    } else if (ahead) {
      this.tiles.push(...answer.tiles);
      const spare = Math.max(0, this.tiles.length - MOST);
      this.tiles.splice(0, spare);
      this.first += spare;
    } else {
      this.tiles.unshift(...answer.tiles);
      this.first = Math.max(0, this.first - answer.tiles.length);
      this.tiles.splice(MOST);
    }
  }
}
