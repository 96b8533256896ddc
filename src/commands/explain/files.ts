// Owns what is said of a task's files and of what becomes of its secrets at the stop.

import { accessFor, type Powers } from '../../adapters/files/access.ts';
import { Problem } from '../../domain/problem.ts';
import type { Explained } from './subject.ts';

export interface FileLine {
  readonly file: string;
  readonly format: string;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly mode: string;
  /** Where it depends, or fails: why. */
  readonly note: string | null;
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

/** @param powers of the agent; null where no agent runs that could be seen */
export function fileLines({ profile, settled }: Explained, powers: Powers | null): FileLine[] {
  return settled.plan.asks.flatMap(({ files }) =>
    files.map((rule): FileLine => {
      const { name: file, format } = rule;
      const reader = rule.owner ?? settled.plan.reader;
      const mode = rule.mode ?? profile.mode;
      if (powers === null) {
        return {
          file,
          format,
          uid: reader.uid,
          gid: reader.gid,
          mode: octal(mode ?? 0o400),
          note: 'where the agent may chown (root, CAP_CHOWN); else its own, 0440, with a group that both share',
        };
      }
      try {
        const access = accessFor(reader, [], powers);
        return {
          file,
          format,
          uid: access.uid === -1 ? powers.uid : access.uid,
          gid: access.gid === -1 ? null : access.gid,
          mode: octal(mode ?? access.fileMode),
          note: null,
        };
      } catch (error) {
        const { message, hint } = Problem.of(error);
        return { file, format, uid: null, gid: null, mode: '-', note: `${message}: ${hint ?? ''}` };
      }
    }),
  );
}

export interface SecretLine {
  readonly secret: string;
  readonly path: string;
  /** Null where it is not known before it is issued. */
  readonly revocable: boolean | null;
  readonly note: string;
}

type Engine = { readonly type: string } | null;

const LEASED = new Set([
  'rabbitmq',
  'consul',
  'nomad',
  'kubernetes',
  'mongodbatlas',
  'terraform',
  'azure',
  'openldap',
]);

/** @param generateLease what the role of a pki mount says; null where it could not be read */
export function secretLine(
  secret: string,
  path: string,
  engine: Engine,
  generateLease: boolean | null,
): SecretLine {
  const told = (revocable: boolean | null, note: string): SecretLine => ({ secret, path, revocable, note });
  const lease = 'has a lease: revoked with sync at the stop, and looked up';
  const none = 'has no lease: the file goes at the stop, the secret itself stays as it is';
  const rest = path.slice(path.indexOf('/') + 1);
  if (engine === null)
    return told(null, 'its engine was not asked: the start shows it (revocable in its answer)');
  if (engine.type === 'kv') return told(false, `KV ${none}`);
  if (engine.type === 'pki') {
    if (generateLease === null)
      return told(
        null,
        'revoked at the stop where the PKI role says generate_lease=true; which was not to be read',
      );
    return generateLease
      ? told(true, `the PKI role says generate_lease=true: ${lease}`)
      : told(false, 'the PKI role lacks generate_lease=true: the certificate lives to its own end');
  }
  if (/^static-(?:creds|cred|roles?)\//.test(rest)) return told(false, `a static role ${none}`);
  if (engine.type === 'ssh')
    return rest.startsWith('creds/') ? told(true, lease) : told(false, 'a signed key lives to its own end');
  if (engine.type === 'database' && rest.startsWith('creds/')) return told(true, lease);
  if (LEASED.has(engine.type)) return told(true, lease);
  return told(null, `engine ${engine.type}: the start shows it (revocable in its answer)`);
}
