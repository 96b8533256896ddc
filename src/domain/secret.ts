// Owns the bytes of a secret between the wire and the file. Invariant: nothing that prints, serialises
// or inspects a Secret shows more than "[secret]"; the bytes are zeroed when it is disposed.

export class Secret implements Disposable {
  readonly #bytes: Uint8Array;

  /** Takes ownership of `bytes`: the caller must not keep or change them. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The bytes themselves, valid until disposal. For the one place that spends the secret. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  /** The same bytes, of an owner of its own. */
  copy(): Secret {
    // Not slice(): a Buffer's would be the same memory, wiped with this one.
    return new Secret(new Uint8Array(this.#bytes));
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  get [Symbol.toStringTag](): string {
    return 'secret';
  }

  [Symbol.dispose](): void {
    this.#bytes.fill(0);
  }
}
