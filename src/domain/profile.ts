// Owns what a kind of task may have: the profile as the engine uses it, after schema/profile-file has
// proved every field. Invariant: immutable; a reload replaces whole profiles.

import type { ApprovalRule } from './approval.ts';
import type { AssertionRule } from './assertion.ts';
import type { Where } from './evidence.ts';
import type { FileRule, Owner } from './file-rule.ts';
import type { ProfileName } from './ids.ts';
import type { ProbeRule } from './probe.ts';
import type { LoginRule } from './task-login.ts';
import type { Window } from './window.ts';

export interface ParamRule {
  readonly enum?: readonly string[];
  /** Anchored at both ends. */
  readonly pattern?: string;
  /** The value is not the caller's to choose: it is what the pattern captures of this claim of the assertion. */
  readonly claim?: string;
  readonly optional: boolean;
}

export type { FileRule, Owner } from './file-rule.ts';

export interface SecretRule {
  readonly name: string;
  readonly path: string;
  readonly method: 'read' | 'write';
  readonly body?: Readonly<Record<string, unknown>>;
  readonly files: readonly FileRule[];
}

export interface Profile {
  readonly name: ProfileName;
  /** `sha256:` of the file that it was read from: which version of it a task was started under. */
  readonly version?: string;
  readonly description: string;
  readonly allow: {
    readonly uids: readonly number[];
    readonly gids: readonly number[];
    readonly where?: Where;
    readonly window?: Window;
    readonly assertion?: AssertionRule;
  };
  readonly event: { readonly required: boolean; readonly types: readonly string[] };
  readonly params: Readonly<Record<string, ParamRule>>;
  readonly ttl: {
    readonly defaultMs: number;
    readonly maxMs: number;
    readonly graceMs: number;
    /** The deadline may be moved later, never past max. */
    readonly extend: boolean;
  };
  /** Of a task's token; with `login`, all that Vault may give it, and empty where that is left to Vault. */
  readonly policies: readonly string[];
  /** Tasks log in to Vault with their own assertion (`vault.mode: jwt`). */
  readonly login?: LoginRule;
  /** Template of the entity alias that task tokens are made with: Vault's policies may be templated on its name. */
  readonly entityAlias?: string;
  readonly bind: 'optional' | 'required';
  /** Absent where a start needs none. */
  readonly approval?: ApprovalRule;
  /** Profiles that a task of this one may start as its children. */
  readonly children: readonly ProfileName[];
  /** What a start waits for beside its files; absent where they are enough. */
  readonly ready?: ProbeRule;
  /** Sent to the bound process after a rotation, such as `SIGHUP`. */
  readonly onChange?: string;
  /** How long the old generation is left alive after a rotation. */
  readonly overlapMs: number;
  readonly owner?: Owner;
  readonly mode?: number;
  readonly secrets: readonly SecretRule[];
}
