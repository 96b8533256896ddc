// Owns the files of one story under vault-policies/stories/: what its Vault administrator, its database administrator
// and its agent's operator apply. Invariant: they are applied as they are; only ACCESSOR, the accessor of the mount that
// makes the tasks' tokens, and what a caller names is put in.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { Json } from './socket-api.ts';

export const STORIES = fileURLToPath(new URL('../../vault-policies/stories/', import.meta.url));

/** What a broken administrator would write instead. */
export const WILDCARD = 'path "*" { capabilities = ["create", "read", "update", "delete", "list"] }';

/** One kind of task: a directory with a profile, a policy and a sample start. */
export interface Kind {
  readonly dir: string;
  readonly profile: string;
  readonly policy: string;
  readonly mode: 'child' | 'jwt';
  readonly profileText: string;
  readonly policyText: string;
  /** The sample start, where it is a body. */
  readonly start: Json;
}

export interface StoryFiles {
  readonly dir: string;
  /** Its main kind first, then those in its subdirectories: its children. */
  readonly kinds: readonly Kind[];
  /** Bodies of `vault write`, by path. */
  readonly writes: readonly (readonly [path: string, text: string])[];
  /** What is added to the lists of token-role.json. */
  readonly tokenRole: Readonly<Record<string, string[]>>;
  /** What the target's administrator has applied; empty where the target is no database. */
  readonly sql: string;
}

const textOf = (...path: string[]): string => readFileSync(join(...path), 'utf8');

const kindOf = (dir: string): Kind => {
  const profileText = textOf(dir, 'profile.yaml');
  const profile = parse(profileText);
  const mode = profile.vault.mode ?? 'child';
  const startFile = join(dir, 'start.json');
  return {
    dir,
    profile: profile.profile,
    policy: `tasklease-${profile.profile}`,
    mode,
    profileText,
    policyText: textOf(dir, 'policy.hcl'),
    start: existsSync(startFile) ? JSON.parse(textOf(startFile)) : null,
  };
};

export const storyNames = (): string[] => readdirSync(STORIES).filter((name) => /^\d/.test(name));

export const storyFiles = (name: string): StoryFiles => {
  const dir = join(STORIES, name);
  const inside = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const children = inside
    .map((entry) => join(dir, entry.name))
    .filter((at) => existsSync(join(at, 'profile.yaml')));
  const vault = join(dir, 'vault');
  const files = existsSync(vault) ? (readdirSync(vault, { recursive: true }) as string[]) : [];
  const additions = join(dir, 'token-role-additions.json');
  return {
    dir,
    kinds: [dir, ...children].map(kindOf),
    writes: files
      .filter((file) => file.endsWith('.json'))
      .sort()
      .map((file) => [file.slice(0, -'.json'.length), textOf(vault, file)] as const),
    tokenRole: existsSync(additions) ? JSON.parse(textOf(additions)) : {},
    sql: existsSync(join(dir, 'target.sql')) ? textOf(dir, 'target.sql') : '',
  };
};
