// Owns what a policy of Vault is to us: paths with their capabilities and parameter limits
// (developer.hashicorp.com/vault/docs/concepts/policies). Invariant: nothing of a policy's text that changes what it
// allows is left out of this.

import type { Capability } from '../domain/policy-line.ts';

/** Parameter → values it may have; an empty list stands for every value. `*` stands for every parameter. */
export type ParameterLimits = Readonly<Record<string, readonly unknown[]>>;

export interface PathRule {
  /** As written: `+` is one segment, `*` at the end any rest, `{{identity…}}` what Vault knows of the token. */
  readonly path: string;
  readonly capabilities: readonly Capability[];
  readonly allowed?: ParameterLimits;
  readonly denied?: ParameterLimits;
  readonly required?: readonly string[];
  /** Other settings of the block, such as min_wrapping_ttl, as written. */
  readonly other?: Readonly<Record<string, unknown>>;
  /** Without the `#`, a line each. */
  readonly comment?: readonly string[];
  /** Where its block begins in the file that it was read from. */
  readonly line?: number;
}

export interface Policy {
  readonly name: string;
  /** What stands before the first block, apart from that block's own comment. */
  readonly comment?: readonly string[];
  readonly rules: readonly PathRule[];
  /** The file that it was read from. */
  readonly file?: string;
}

/** Where a rule stands, for messages: `report-read.hcl:3`, or the policy's name. */
export const placeOf = ({ file, name }: Policy, { line }: Pick<PathRule, 'line'> = {}): string =>
  `${file ?? `policy ${name}`}${line === undefined ? '' : `:${line}`}`;
