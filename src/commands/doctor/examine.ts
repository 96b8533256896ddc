// Owns the order in which doctor looks: from the configuration outwards to Vault. Invariant: what fails early does not
// hide what can be looked at all the same; whatever was made at Vault is revoked, whatever happens.

import { statSync } from 'node:fs';
import { readSettings } from '../../adapters/settings/agent-settings.ts';
import { lockHolder, processPowers } from '../../adapters/system/look.ts';
import { vaultOptions } from '../../compose/vault.ts';
import type { Secret } from '../../domain/secret.ts';
import { enter, type Live } from '../inspect/live.ts';
import { operatorToken, withoutToken } from '../inspect/operator.ts';
import { type PolicyBook, policyFiles, vaultPolicies } from '../inspect/policy-book.ts';
import { policyDirectory } from '../inspect/policy-directory.ts';
import { readProfiles } from '../inspect/profiles.ts';
import { directories } from './directories.ts';
import { error, type Finding, info, ok, warning } from './finding.ts';
import { host } from './host.ts';
import { life } from './life.ts';
import { session } from './session.ts';
import type { Subject } from './subject.ts';
import { tasks } from './tasks.ts';
import { loginRoles, tokenRole } from './token-role.ts';
import { vaultServer } from './vault-server.ts';

export interface Request {
  readonly file: string;
  readonly policies: string | undefined;
  readonly tokenFile: string | undefined;
  readonly login: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/** @throws SettingsFault for a configuration that cannot be read */
export async function examine(request: Request): Promise<Finding[]> {
  const operator = operatorToken(request.tokenFile, request.env);
  const files = request.policies === undefined ? null : policyDirectory(request.policies, policyFiles);
  const settings = readSettings(request.file, withoutToken(request.env));
  const { config } = settings;
  const { profiles, faults } = readProfiles(config, request.file);
  const pid = lockHolder(config.runtime_dir);
  const subject: Subject = { file: request.file, settings, profiles, pid, uid: agentUid(config, pid) };
  const findings = [
    ok('configuration', `${request.file} is valid`),
    ...(faults.length > 0
      ? faults.map((fault) =>
          error(
            'profiles',
            fault,
            'no task of it can be started',
            'correct the file; the agent reads it again by itself',
          ),
        )
      : profiles.length > 0
        ? [ok('profiles', `${profiles.length} valid in ${config.profiles_dir}`)]
        : [
            warning(
              'profiles',
              `there is none in ${config.profiles_dir}`,
              'nothing can be started',
              'tasklease init writes a first one',
            ),
          ]),
    ...foreign(subject),
    ...directories(subject),
    ...host(subject),
    ...(await life(subject)),
  ];
  const options = { ...vaultOptions(config, settings.environment), allowBroadSession: true };
  const server = await vaultServer(options);
  findings.push(...server.findings);
  if (!server.answers) return findings;
  const live = await enter(options, config.runtime_dir, request.login);
  let left: readonly string[];
  try {
    findings.push(...(await atVault(live, subject, files, operator)));
  } finally {
    left = await live.vault.close();
  }
  return [...findings, ...undone(live, left)];
}

async function atVault(
  live: Live,
  { settings: { config }, profiles }: Subject,
  files: PolicyBook | null,
  operator: Secret | null,
): Promise<Finding[]> {
  const book = files ?? (operator === null ? null : vaultPolicies(live.vault, operator));
  const found = [
    ...(await session(live, config, profiles, book)),
    ...(await tokenRole(live.vault, operator, config, profiles)),
    ...(await loginRoles(live.vault, operator, profiles)),
  ];
  if (live.outcome.step !== 'ready') return found;
  return [...found, ...(await tasks(live.vault, live.outcome.session, config, profiles, { book, operator }))];
}

function undone({ outcome }: Live, left: readonly string[]): Finding[] {
  if (outcome.step === 'skipped') return [];
  if (left.length > 0) {
    return [
      warning(
        'vault.undone',
        `${left.join(' and ')} could not be revoked`,
        'Vault refused, or went away meanwhile',
        'it ends by its TTL, with all that hangs under it',
      ),
    ];
  }
  return [ok('vault.undone', 'what doctor made at Vault to ask with is revoked; nothing was leased')];
}

/** Of the agent that runs; else who owns its directories; else whoever asks. */
function agentUid({ state_dir, runtime_dir }: Subject['settings']['config'], pid: number | null): number {
  const running = pid === null ? null : processPowers(pid);
  if (running !== null) return running.uid;
  const owners = [runtime_dir, state_dir].map((path) => {
    try {
      return statSync(path, { throwIfNoEntry: false })?.uid;
    } catch {
      return undefined;
    }
  });
  return owners.find((uid) => uid !== undefined) ?? process.geteuid!();
}

function foreign({ uid }: Subject): Finding[] {
  const own = process.geteuid!();
  if (own === uid || own === 0) return [];
  return [
    info(
      'user',
      `doctor runs as uid ${own}, the agent as uid ${uid}`,
      'what only the agent may see is not seen',
      `sudo -u '#${uid}' tasklease doctor`,
    ),
  ];
}
