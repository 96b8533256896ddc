// Owns the seeds in which secrets hang under no lease, or end by other ways than its revocation: certificates by their
// serial, certificates that nothing can revoke, passwords that Vault rotates, codes that change by the clock.
// Invariant: drawn from a stream of its own, so that all other seeds are what they were.

import type { Ask } from '../../../src/domain/ask.ts';
import type { Profile, SecretRule } from '../../../src/domain/profile.ts';
import type { Draw } from './draw.ts';
import { CANARY } from './scenery.ts';
import type { SimSecret } from './sim-vault-model.ts';

const SHARE = 0.35;

/** What becomes of the certificates of this world when they are to end. */
export type CertificateKind =
  /** As everywhere: by its lease. */
  | 'leased'
  | 'serial'
  /** `revoke: serial`, at a role with no_store: true. */
  | 'unstored'
  /** Its profile does not say `revoke: serial`. */
  | 'unasked'
  /** `revoke: none`: it has a lease, which ends nothing. */
  | 'lasting';
/** What stands in the place of the stored secret. */
export type ValueKind = 'kv' | 'static' | 'totp';

export interface TermsOptions {
  readonly certificate: CertificateKind;
  readonly value: ValueKind;
  readonly periodMs: number;
  /** How long revocations by serial wait in Vault. */
  readonly queueMs: number;
  /** The certificate's TTL is the task's. */
  readonly ttlField: boolean;
  /** How often a version of a profile says `require: revocable`. */
  readonly requiring: number;
}

/** A certificate under a lease, and a value that nobody rotates. */
export const PLAIN: TermsOptions = {
  certificate: 'leased',
  value: 'kv',
  periodMs: 0,
  queueMs: 0,
  ttlField: false,
  requiring: 0,
};
const CERTIFICATES = 'pki/issue/web';
const STORED = 'secret/data/app';
const VALUES: Readonly<Record<ValueKind, string>> = {
  kv: STORED,
  static: 'database/static-creds/app',
  totp: 'totp/code/app',
};

type Asked = Pick<Ask, 'path' | 'require'>;

export class Terms {
  readonly #draw: Draw;
  readonly #options: TermsOptions;

  constructor(draw: Draw, options: TermsOptions | null, plain: boolean) {
    this.#draw = draw;
    this.#options = options ?? (plain || !draw.chance(SHARE) ? PLAIN : drawn(draw));
  }

  get queueMs(): number {
    return this.#options.queueMs;
  }

  /** There are static roles, whose engine may be away. */
  get rotates(): boolean {
    return this.#options.value === 'static';
  }

  /** What there is to lease, as this world's Vault administrators set it up. */
  secrets(plain: Readonly<Record<string, SimSecret>>): Readonly<Record<string, SimSecret>> {
    const { certificate, value, periodMs } = this.#options;
    const pki = plain[CERTIFICATES]!;
    const turning = { ttlMs: periodMs, maxTtlMs: 0, fields: { token: `${CANARY}-value` } };
    return {
      ...plain,
      [CERTIFICATES]: { ...pki, ...LEASELESS[certificate] },
      ...(value === 'kv' ? {} : { [VALUES[value]]: { engine: value, ...turning } }),
    };
  }

  /** The profile as this world's operators wrote it. */
  asked(profile: Profile): Profile {
    if (this.#options === PLAIN) return profile;
    return { ...profile, secrets: profile.secrets.map((rule) => this.#rule(rule)) };
  }

  #rule(rule: SecretRule): SecretRule {
    const { certificate, value, periodMs, ttlField, requiring } = this.#options;
    const require = this.#draw.chance(requiring) ? { require: 'revocable' as const } : {};
    if (rule.path === CERTIFICATES) {
      const revoke = certificate === 'serial' || certificate === 'unstored' ? 'serial' : undefined;
      const field = ttlField ? { ttlField: 'ttl' } : {};
      // The two contradict one another: the schema refuses that.
      if (certificate === 'lasting') return { ...rule, ...field, revoke: 'none' };
      return { ...rule, ...field, ...require, ...(revoke === undefined ? {} : { revoke }) };
    }
    if (rule.path !== STORED) return { ...rule, ...require };
    const period = value === 'totp' ? { periodMs } : {};
    return { ...rule, ...require, ...period, path: VALUES[value] };
  }

  /** Nothing ends what this path issues before its own time. */
  lasting(path: string): boolean {
    const { certificate } = this.#options;
    if (path === CERTIFICATES) return certificate !== 'leased' && certificate !== 'serial';
    return Object.values(VALUES).includes(path);
  }

  /** Its value is another one from time to time. */
  turning(path: string): boolean {
    return path === VALUES.static || path === VALUES.totp;
  }

  /** A start with these is refused, whatever happens. */
  impossible(asks: readonly Asked[]): boolean {
    return asks.some(({ path, require }) => require === 'revocable' && this.lasting(path));
  }
}

const LEASELESS: Readonly<Record<CertificateKind, Partial<SimSecret>>> = {
  leased: {},
  serial: { leaseless: 'stored' },
  unstored: { leaseless: 'not stored' },
  unasked: { leaseless: 'stored' },
  lasting: { lasting: true },
};

const drawn = (draw: Draw): TermsOptions => ({
  certificate: draw.weighted({ serial: 6, unstored: 1, unasked: 1, lasting: 1, leased: 1 }),
  value: draw.weighted({ static: 5, totp: 1, kv: 2 }),
  periodMs: draw.pick([5000, 12_000, 30_000, 120_000]),
  queueMs: draw.pick([0, 0, 0, 0, 3000, 12_000]),
  ttlField: draw.chance(0.4),
  requiring: draw.pick([0, 0, 0.3]),
});
