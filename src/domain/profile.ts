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

/** A key pair of the agent's own making: its public half goes to Vault, its private half into the task's files only. */
export interface KeyRule {
  readonly type: 'ec-p256' | 'ec-p384' | 'ed25519' | 'rsa-2048' | 'rsa-3072' | 'rsa-4096';
  /** What Vault signs: a certificate request (`csr`, PKI) or an OpenSSH public key (`public_key`, SSH). */
  readonly as: 'csr' | 'ssh';
}

/** What a secret's engine has of its own, beside path and body. */
export interface SecretTerms {
  /** The field of the request, or of its query, that gets the time the task has left. */
  readonly ttlField?: string;
  /** Of a KV version 2 secret this version, and no other. */
  readonly version?: number;
  /** The value changes by the clock, each time that this has passed since the epoch (TOTP). */
  readonly periodMs?: number;
  /** A start whose secret cannot be revoked is refused. */
  readonly require?: 'revocable';
  /** Absent: by its lease. `serial`: a certificate, at its mount. `none`: whatever its lease says, it lives to its end. */
  readonly revoke?: 'serial' | 'none';
  readonly key?: KeyRule;
}

export interface SecretRule extends SecretTerms {
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
