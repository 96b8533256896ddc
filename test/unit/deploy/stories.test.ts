// Owns that the stories hang together: files, README and tests name the same ten, and each file is what its neighbours
// take it for. What they do is told in test/scenarios/stories.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readPolicyFiles } from '../../../src/commands/policy/policy-files.ts';
import { readPolicy } from '../../../src/policy/hcl-read.ts';
import { lint } from '../../../src/policy/lint.ts';
import type { Policy } from '../../../src/policy/model.ts';
import { ACCESSOR } from '../../../src/policy/names.ts';
import { taskPolicies } from '../../../src/policy/task-policy.ts';
import { profileFile, toProfile } from '../../../src/schema/profile-file.ts';
import { startBody } from '../../../src/schema/signal.ts';
import { type Kind, STORIES, storyFiles, storyNames, WILDCARD } from '../../harness/story-files.ts';
import { program } from './shells.ts';

const ROOT = join(import.meta.dirname, '../../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const names = storyNames();
const scripts = names.map((name) => join(STORIES, name, 'start.sh')).filter(existsSync);
const kinds = names.flatMap((name) => storyFiles(name).kinds.map((kind) => [kind.profile, kind] as const));

test('the README’s table has one row for each story, with its directory and its test', () => {
  const rows = [...README.matchAll(/^\| \d+ \|.*\]\((vault-policies\/stories\/([^)/]+)\/?)\).*$/gm)];
  expect(rows.map(([, , name]) => name)).toEqual(names);
  for (const name of names) {
    expect(existsSync(join(ROOT, 'test/scenarios/stories', `${name}.test.ts`)), name).toBe(true);
  }
});

describe('tasklease policy lint', () => {
  const read = readPolicyFiles([STORIES]);
  const leashMs = 300_000;

  test('finds nothing in the stories', () => {
    expect(read.policies).toHaveLength(kinds.length);
    expect(read.profiles).toHaveLength(kinds.length);
    expect(lint({ ...read, leashMs })).toEqual([]);
  });

  test.each(read.policies)('finds a wildcard in the place of $name', ({ name, file }) => {
    const wild = readPolicy(`# Policy "${name}"\n${WILDCARD}`, name, file!);
    const policies = read.policies.map((policy) => (policy.name === name ? wild : policy));
    const found = lint({ ...read, policies, leashMs });
    expect(found.map(({ rule }) => rule)).toContain('TL001');
    expect(new Set(found.map((finding) => finding.file))).toEqual(new Set([file]));
  });
});

test.each(names)(
  '%s: its token role has its policies, and its main kind is named after its directory',
  (name) => {
    const { kinds: own, tokenRole } = storyFiles(name);
    expect(own[0]!.profile).toBe(name.replace(/^\d+-/, ''));
    const children = own.filter(({ mode }) => mode === 'child').map(({ policy }) => policy);
    expect((tokenRole.allowed_policies_glob ?? []).toSorted()).toEqual(children.toSorted());
  },
);

describe.each(kinds)('%s', (_name, kind: Kind) => {
  test('its profile is one, for named users, with an event and its own policy alone', () => {
    const profile = profileFile.parse(parse(kind.profileText));
    expect(profile.allow.uids.length).toBeGreaterThan(0);
    expect(profile.event.required).toBe(true);
    expect(profile.vault.policies).toEqual([kind.policy]);
    for (const { path, require } of Object.values(profile.secrets)) {
      if (!path.startsWith('secret/data/')) expect(require ?? profile.require, path).toBe('revocable');
    }
  });

  test('its policy has no path that ends in a wildcard, and says why each is there', () => {
    const paths = [...kind.policyText.matchAll(/^path "([^"]+)"/gm)].map(([, path]) => path!);
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect(path.replaceAll(/\{\{[^}]*\}\}/g, 'x')).not.toMatch(/[*+]/);
    expect(kind.policyText).not.toMatch(/sudo|root/);
    const sources = kind.policyText.match(/^# https:\/\/developer\.hashicorp\.com\//gm) ?? [];
    expect(sources.length).toBeGreaterThanOrEqual(paths.length);
  });

  test('its policy is as narrow as what render makes of its profile', () => {
    const [made] = taskPolicies([toProfile(profileFile.parse(parse(kind.profileText)))], () => ACCESSOR);
    const written = readPolicy(kind.policyText, kind.policy, 'policy.hcl');
    const rules = ({ rules: all }: Policy) => all.map(({ comment: _c, line: _l, ...rule }) => rule);
    expect(made!.name).toBe(kind.policy);
    expect(rules(written)).toEqual(rules(made!));
  });

  test('its sample start is one', () => {
    if (kind.start !== null) {
      expect(startBody.parse(kind.start)).toMatchObject({ profile: kind.profile });
    } else {
      const script = readFileSync(join(kind.dir, 'start.sh'), 'utf8');
      expect(script).toMatch(new RegExp(`^#!/bin/sh\\n[^]*--profile ${kind.profile} `));
    }
  });
});

// Where it is not installed, CI has it.
if (program('shellcheck') !== undefined) {
  test.each(scripts)('shellcheck finds nothing in %s', (file) => {
    expect(spawnSync('shellcheck', [file], { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' });
  });
}
