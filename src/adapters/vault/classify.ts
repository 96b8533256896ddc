// Owns the meaning of every answer and failure of a Vault request, translated once,
// here. Invariant: nothing of a request or reply body but Vault's own error sentences goes further.

import { capabilityOf, policyLine } from '../../domain/policy-line.ts';
import { Problem, type ProblemCode } from '../../domain/problem.ts';
import { type FailureKind, VaultFailure } from '../../ports/vault.ts';

export interface RequestLine {
  readonly method: string;
  /** Without /v1/ and without a query. */
  readonly path: string;
}

/** A reply of 300 or more, or 202 where only a finished revocation counts. */
export function failedReply(
  line: RequestLine,
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
): VaultFailure {
  const errors = errorSentences(body);
  const said = errors.length > 0 ? `${status}: ${errors.join('; ')}` : String(status);
  const detail = `${line.method} ${line.path} was answered ${said}`;
  const seconds = Number(retryAfter);
  const retryAfterMs =
    retryAfter !== undefined && seconds >= 0 && seconds <= 3600 ? seconds * 1000 : undefined;
  const fail = (kind: FailureKind, code: ProblemCode, hint: string, missing = false) =>
    new VaultFailure(
      kind,
      new Problem(code, detail, { hint, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }),
      missing,
      status === 403,
    );
  switch (status) {
    case 400: {
      return fail('refused', 'VAULT_DENIED', badRequestHint(line.path, errors), saysMissing(status, errors));
    }
    case 403:
      return fail('refused', 'VAULT_DENIED', forbiddenHint(line, errors), saysMissing(status, errors));
    case 404:
      return fail('refused', 'VAULT_DENIED', `nothing is at ${line.path}: check the mount and the role`);
    case 412:
    case 429:
    case 473:
      return fail('later', 'VAULT_UNREACHABLE', 'Vault asks to wait; try again later');
    case 503:
      return errors.some((text) => /sealed/i.test(text))
        ? fail('later', 'VAULT_SEALED', 'unseal Vault; the agent goes on by itself then')
        : fail('later', 'VAULT_UNREACHABLE', 'Vault is overloaded or not ready; try again later');
    default:
      if (status >= 500) return fail('unknown', 'VAULT_UNREACHABLE', 'look at the log of Vault');
      if (status >= 300 && status < 400) {
        return fail(
          'later',
          'VAULT_UNREACHABLE',
          'vault.address is a standby that points elsewhere: list the addresses of the cluster under vault.standbys',
        );
      }
      return fail('refused', 'VAULT_CONTRACT', 'is vault.address really a Vault server?');
  }
}

/** Vault answers that there is no such lease or token. */
export const isMissing = (status: number, body: Buffer): boolean =>
  (status === 400 || status === 403) && saysMissing(status, errorSentences(body));

/** Looking up or revoking what is gone is a 403 for accessors in some versions. */
const saysMissing = (status: number, errors: readonly string[]): boolean => {
  const sentence = status === 400 ? /invalid lease|lease not found|invalid accessor/i : /invalid accessor/i;
  return errors.some((text) => sentence.test(text));
};

const LOGIN = /^auth\/.+\/login$/;
const CREATE = /^auth\/token\/create\/(.+)$/;

function badRequestHint(path: string, errors: readonly string[]): string {
  if (LOGIN.test(path))
    return 'the credentials of vault.auth are wrong or expired, or no role at the mount takes them: put new ones into their files';
  const role = CREATE.exec(path)?.[1];
  if (role !== undefined && errors.some((text) => /entity.?alias/i.test(text))) {
    return `token role ${role} must list the alias of the profile (vault.entity_alias) under allowed_entity_aliases, by name or with a *`;
  }
  if (role !== undefined) {
    return `token role ${role} must exist and allow the policies of the profile (allowed_policies_glob)`;
  }
  return 'look at what Vault says; the request came from the profile';
}

/** Vault 1.21 adds this where it does not know the token itself; then no policy is missing. */
const DEAD_TOKEN = /\binvalid token\b/i;

/** Says no more than is known: the request, and what a policy needs for it, not that this is the reason. */
function forbiddenHint({ method, path }: RequestLine, errors: readonly string[]): string {
  if (LOGIN.test(path))
    return 'the credentials of vault.auth are wrong or expired, or Vault has locked the role for a while (sys/locked-users)';
  if (errors.some((text) => DEAD_TOKEN.test(text)))
    return 'Vault does not know the token that asked: it was revoked, or its time is over; no policy is missing';
  const line = policyLine(path, capabilityOf(method === 'GET' ? 'GET' : 'POST'));
  if (CREATE.test(path)) {
    return `the policy of the caller needs ${line}, with these parameters (entity_alias too where a profile has one): compare login.hcl and session.hcl in vault-policies/, and vault.session_role and vault.token_role`;
  }
  if (path.startsWith('auth/') || path.startsWith('sys/')) {
    return `the agent's own policy needs ${line}: compare vault-policies/session.hcl`;
  }
  if (method === 'GET')
    return `a policy of the profile needs ${line} (KV version 2 has data/ after the mount)`;
  return `a policy of the profile needs ${line}, with these parameters`;
}

/** A code of our own: the reply was larger than any of Vault's. */
export const TOO_LARGE = 'REPLY_TOO_LARGE';

/** Failures that happen before a request left this machine. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** A request that got no reply. */
export function failedRequest(line: RequestLine, address: string, cause: unknown): VaultFailure {
  const { code, syscall } = cause as { code?: unknown; syscall?: unknown };
  const reason = typeof code === 'string' ? code : cause instanceof Error ? cause.name : 'an unknown error';
  const tls = /^(?:EPROTO|ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(reason);
  const notSent = tls || syscall === 'connect' || NOT_SENT.has(reason);
  const detail = `${line.method} ${line.path}: ${address} ${notSent ? 'cannot be reached' : 'gave no answer'} (${reason})`;
  return new VaultFailure(
    notSent ? 'notDone' : 'unknown',
    new Problem('VAULT_UNREACHABLE', detail, { hint: adviceFor(reason, tls), cause }),
  );
}

function adviceFor(reason: string, tls: boolean): string {
  if (tls) return 'check vault.ca_file, the name in the certificate of Vault, and that it speaks TLS there';
  if (reason === 'EMFILE' || reason === 'ENFILE')
    return 'the agent has no file descriptor left for a connection: raise its limit of open files (LimitNOFILE=, ulimit -n)';
  return 'check that Vault runs and that vault.address is right';
}

/** A reply that must not be relied on. */
export const brokenContract = (line: RequestLine, what: string, hint: string): VaultFailure =>
  new VaultFailure(
    'refused',
    new Problem('VAULT_CONTRACT', `${line.method} ${line.path}: ${what}`, { hint }),
  );

const SENTENCE_MAX = 240;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it takes out
const CONTROL = /[\u0000-\u001f\u007f]+/g;

/** Vault's `errors`, without control characters and cut to a length that fits a log line. */
function errorSentences(body: Buffer): string[] {
  try {
    const { errors } = JSON.parse(body.toString('utf8')) as { errors?: unknown };
    if (!Array.isArray(errors)) return [];
    const sentences = errors.filter((text): text is string => typeof text === 'string').slice(0, 3);
    return sentences.map((text) => text.replace(CONTROL, ' ').trim().slice(0, SENTENCE_MAX));
  } catch {
    return [];
  }
}
