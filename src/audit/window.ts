// Owns the way through the lines of a ledger with a look at what comes next.

import type { PlacedLine } from './line.ts';

export class Window {
  readonly #lines: AsyncIterator<PlacedLine>;
  readonly #ahead: PlacedLine[] = [];

  constructor(lines: AsyncIterable<PlacedLine>) {
    this.#lines = lines[Symbol.asyncIterator]();
  }

  async next(): Promise<PlacedLine | null> {
    return this.#ahead.shift() ?? this.#read();
  }

  /** The one after, which stays to be taken. */
  async peek(): Promise<PlacedLine | null> {
    const [first] = this.#ahead;
    if (first !== undefined) return first;
    const read = await this.#read();
    if (read !== null) this.#ahead.push(read);
    return read;
  }

  async #read(): Promise<PlacedLine | null> {
    const { value, done } = await this.#lines.next();
    return done === true ? null : (value as PlacedLine);
  }
}
