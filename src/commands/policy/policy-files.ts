// Owns the reading of a directory of policies and roles, such as vault-policies/. Invariant: a file that cannot be read is
// a finding, not the end; what is neither policy, role nor profile is left alone.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readYaml, SettingsFault } from '../../adapters/settings/yaml-file.ts';
import { UsageError } from '../../cli/failure.ts';
import type { Profile } from '../../domain/profile.ts';
import { readPolicy } from '../../policy/hcl-read.ts';
import { PolicyFault } from '../../policy/hcl-tokens.ts';
import { type LintRole, roleKind } from '../../policy/lint-kinds.ts';
import type { Finding } from '../../policy/lint-rules.ts';
import type { Policy } from '../../policy/model.ts';
import { policyOfFile } from '../../policy/names.ts';
import { profileFile, toProfile } from '../../schema/profile-file.ts';

export interface PolicyFiles {
  readonly policies: readonly Policy[];
  readonly roles: readonly LintRole[];
  readonly profiles: readonly Profile[];
  readonly faults: readonly Finding[];
}

/** @throws UsageError for a path that is not there */
export function readPolicyFiles(paths: readonly string[]): PolicyFiles {
  const policies: Policy[] = [];
  const roles: LintRole[] = [];
  const profiles: Profile[] = [];
  const faults: Finding[] = [];
  for (const file of paths.flatMap(filesBelow)) {
    try {
      if (/\.hcl$|\.policy\.json$/.test(file)) policies.push(policyAt(file));
      else if (file.endsWith('.json')) roles.push(...roleAt(file));
      else if (/\.ya?ml$/.test(file)) profiles.push(...profileAt(file));
    } catch (error) {
      if (!(error instanceof PolicyFault) && !(error instanceof SettingsFault)) throw error;
      const [, line, says] = /^.*?:(\d+): (.*)$/s.exec(error.message) ?? [null, '1', error.message];
      faults.push({ rule: 'TL028', file, line: Number(line), says: says! });
    }
  }
  return { policies, roles, profiles, faults };
}

function filesBelow(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
  } catch (error) {
    throw new UsageError(
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'name a directory of policies, or files of it',
    );
  }
  return readdirSync(path, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.') && name !== 'node_modules')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(join(path, entry.name)) : [join(path, entry.name)],
    );
}

/** Its name stands in its first line; else it is that of the file, as vault-policies/README.md applies it. */
function policyAt(file: string): Policy {
  const text = readFileSync(file, 'utf8');
  const named = /^#+ *Policy "([^"]+)"/m.exec(text.slice(0, 400))?.[1];
  const base = basename(file).replace(/(?:\.policy\.json|\.hcl)$/, '');
  return readPolicy(text, named ?? policyOfFile(base), file);
}

function roleAt(file: string): LintRole[] {
  // Other engines' roles lie beside: vault/database/roles/x.json.
  if (/\/vault\/(?!auth\/)/.test(file)) return [];
  let body: unknown;
  try {
    body = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new PolicyFault(file, 1, `is not JSON: ${(error as Error).message}`);
  }
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return [];
  const kind = roleKind(file, body as LintRole['body']);
  return kind === 'other' ? [] : [{ file, kind, body: body as LintRole['body'] }];
}

function profileAt(file: string): Profile[] {
  if (!/^profile:/m.test(readFileSync(file, 'utf8'))) return [];
  return [toProfile(readYaml(file, profileFile))];
}
