// Owns what is done with an operator's file that is followed: its last good version is used until there is a better one.
// Invariant: a bad version is told once, and so is that it is right again; where there was never a good one, who needs
// it learns why.

/** Whom to tell of files by the key of the configuration that names them. */
export interface FileNews {
  fault(key: string, sentence: string): void;
  mended(key: string): void;
}

export const NO_NEWS: FileNews = { fault: () => undefined, mended: () => undefined };

export class LastGood<T> {
  readonly #key: string;
  readonly #news: FileNews;
  #good: { readonly value: T } | null = null;
  #fault: string | null = null;

  constructor(key: string, news: FileNews = NO_NEWS) {
    this.#key = key;
    this.#news = news;
  }

  /** What `read` gives, or what it gave last. @throws what `read` throws when it never gave anything */
  take(read: () => T): T {
    try {
      this.#good = { value: read() };
    } catch (error) {
      this.#tell(error instanceof Error ? error.message : String(error));
      if (this.#good === null) throw error;
      return this.#good.value;
    }
    if (this.#fault !== null) this.#news.mended(this.#key);
    this.#fault = null;
    return this.#good.value;
  }

  #tell(sentence: string): void {
    if (this.#fault !== sentence) this.#news.fault(this.#key, sentence);
    this.#fault = sentence;
  }
}
