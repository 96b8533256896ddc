// Owns the record of a run. Invariant: two runs of one seed that did the same have the same hash, and two that
// differ anywhere do not.

export class Trace {
  readonly lines: string[] = [];
  readonly #keep: boolean;
  #a = 0x811c9dc5;
  #b = 0x1b873593;
  count = 0;

  /** @param keep all lines are kept, for people; else only the hash */
  constructor(keep: boolean) {
    this.#keep = keep;
  }

  add(at: number, line: string): void {
    this.count += 1;
    this.#mix(`${at} ${line}`);
    if (this.#keep) this.lines.push(`${(at / 1000).toFixed(3).padStart(10)}  ${line}`);
  }

  get hash(): string {
    return [this.#a, this.#b].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #mix(text: string): void {
    for (let i = 0; i < text.length; i += 1) {
      this.#a = Math.imul(this.#a ^ text.charCodeAt(i), 0x01000193);
      this.#b = Math.imul(this.#b ^ text.charCodeAt(i), 0x5bd1e995) ^ (this.#b >>> 15);
    }
  }
}
