// Owns the profiles in force. Invariant: a profile is replaced whole, and a bad file leaves the last
// good version in place and its fault on display.

import { Problem } from '../domain/problem.ts';
import type { Profile } from '../domain/profile.ts';
import { secretPaths } from '../domain/reach.ts';

export class ProfileBook {
  readonly #profiles = new Map<string, Profile>();
  readonly #faults = new Map<string, string>();
  readonly #onPut: (profile: Profile) => void;

  /** @param onPut told of every profile that comes into force */
  constructor(onPut: (profile: Profile) => void = () => {}) {
    this.#onPut = onPut;
  }

  put(profile: Profile): void {
    this.#profiles.set(profile.name, profile);
    this.#faults.delete(profile.name);
    this.#onPut(profile);
  }

  /** `name` is the file's name without its ending. */
  fault(name: string, sentence: string): void {
    this.#faults.set(name, sentence);
  }

  /** What was wrong with something else than a profile is right again. */
  clear(name: string): void {
    this.#faults.delete(name);
  }

  remove(name: string): void {
    this.#profiles.delete(name);
    this.#faults.delete(name);
  }

  names(): string[] {
    return [...this.#profiles.keys()].sort();
  }

  /** Where the tasks of all profiles together may come to in Vault. */
  secretPaths(): string[] {
    return [...this.#profiles.values()].flatMap(secretPaths);
  }

  /** A sentence for each file that cannot be used as it is. */
  faults(): string[] {
    return [...this.#faults.values()];
  }

  /** Their names: what may be told to everybody. */
  faulty(): string[] {
    return [...this.#faults.keys()].sort();
  }

  /** @throws Problem PROFILE_UNKNOWN */
  get(name: string): Profile {
    const profile = this.#profiles.get(name);
    if (profile !== undefined) return profile;
    const fault = this.#faults.get(name);
    throw new Problem(
      'PROFILE_UNKNOWN',
      `there is no profile ${name}${fault === undefined ? '' : `: ${fault}`}`,
      {
        hint:
          fault === undefined
            ? 'put it into profiles_dir, or check the name'
            : 'correct the file; it is read again',
      },
    );
  }
}
