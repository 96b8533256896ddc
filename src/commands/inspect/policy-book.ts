// Owns where the text of policies comes from for doctor and explain: a directory of files, or a Vault that an operator's
// token may read. Invariant: a policy that could not be had is told from one that is not there.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Examiner } from '../../adapters/vault/examine.ts';
import type { Secret } from '../../domain/secret.ts';
import { readPolicy } from '../../policy/hcl-read.ts';
import { PolicyFault } from '../../policy/hcl-tokens.ts';
import type { Policy } from '../../policy/model.ts';
import { fileNamesOf } from '../../policy/names.ts';

export interface PolicyBook {
  /** For messages: `in vault-policies/`, `in Vault`. */
  readonly where: string;
  /** Null where there is no policy of that name. @throws PolicyFault for one that Vault would refuse */
  policy(name: string): Promise<Policy | null>;
}

const ENDING = /\.(?:hcl|json)$/;

/**
 * Files by the policy's name, or without the `tasklease-` before it, as vault-policies/ has them.
 * @throws Error when the directory cannot be read
 */
export function policyFiles(dir: string): PolicyBook {
  const files = new Map<string, string>();
  for (const file of readdirSync(dir)
    .filter((name) => ENDING.test(name))
    .sort()) {
    files.set(file.replace(ENDING, ''), join(dir, file));
  }
  return {
    where: `in ${dir}`,
    async policy(name) {
      const file = fileNamesOf(name)
        .map((each) => files.get(each))
        .find((each) => each !== undefined);
      return file === undefined ? null : readPolicy(readFileSync(file, 'utf8'), name, file);
    },
  };
}

/** What an operator's token may read (developer.hashicorp.com/vault/api-docs/system/policies). */
export function vaultPolicies(vault: Examiner, token: Secret): PolicyBook {
  const read = new Map<string, Policy | null>();
  return {
    where: 'in Vault',
    async policy(name) {
      const known = read.get(name);
      if (known !== undefined) return known;
      const { policy } = (await vault.read(token, `sys/policies/acl/${name}`)) ?? {};
      const found = typeof policy === 'string' ? readPolicy(policy, name, `policy ${name}`) : null;
      read.set(name, found);
      return found;
    },
  };
}

/** Policies by name; those that are not there are named. */
export async function policiesOf(
  book: PolicyBook,
  names: readonly string[],
): Promise<{
  readonly policies: readonly Policy[];
  readonly absent: readonly string[];
  readonly faults: readonly string[];
}> {
  const policies: Policy[] = [];
  const absent: string[] = [];
  const faults: string[] = [];
  for (const name of names) {
    try {
      const policy = await book.policy(name);
      if (policy === null) absent.push(name);
      else policies.push(policy);
    } catch (error) {
      if (!(error instanceof PolicyFault)) throw error;
      faults.push(error.message);
    }
  }
  return { policies, absent, faults };
}
