// Owns the meaning of every answer and failure of a Vault request, as one table: what the engine may do next,
// what the caller is told, and that no byte of a reply but Vault's own sentences goes further.

import { describe, expect, test } from 'vitest';
import {
  brokenContract,
  failedReply,
  failedRequest,
  TOO_LARGE,
} from '../../../../src/adapters/vault/classify.ts';

const LINE = { method: 'POST', path: 'database/creds/report' };
const CANARY = 'canary-4711';
const errors = (...sentences: unknown[]): string => JSON.stringify({ errors: sentences });
const fail = (status: number, body = '', retryAfter?: string, line = LINE) =>
  failedReply(line, status, Buffer.from(body), retryAfter);

describe('a reply', () => {
  test.each<[number, string, Record<string, unknown>]>([
    [400, errors('1 error occurred'), { kind: 'refused', code: 'VAULT_DENIED' }],
    [400, errors('invalid lease'), { kind: 'refused', code: 'VAULT_DENIED', missing: true }],
    [400, errors('lease not found'), { kind: 'refused', code: 'VAULT_DENIED', missing: true }],
    [400, errors('Invalid Accessor'), { kind: 'refused', code: 'VAULT_DENIED', missing: true }],
    [400, errors('x', 'lease not found'), { kind: 'refused', code: 'VAULT_DENIED', missing: true }],
    // Words that only look like it, outside of Vault's sentences.
    [400, JSON.stringify({ data: 'invalid lease' }), { kind: 'refused', code: 'VAULT_DENIED' }],
    [400, 'invalid lease', { kind: 'refused', code: 'VAULT_DENIED' }],
    [403, errors('permission denied'), { kind: 'refused', code: 'VAULT_DENIED', forbidden: true }],
    [
      403,
      errors('invalid accessor'),
      { kind: 'refused', code: 'VAULT_DENIED', forbidden: true, missing: true },
    ],
    [403, errors('invalid lease'), { kind: 'refused', code: 'VAULT_DENIED', forbidden: true }],
    [404, errors(), { kind: 'refused', code: 'VAULT_DENIED' }],
    [404, errors('invalid lease'), { kind: 'refused', code: 'VAULT_DENIED' }],
    [405, errors('unsupported operation'), { kind: 'refused', code: 'VAULT_CONTRACT' }],
    [412, '', { kind: 'later', code: 'VAULT_UNREACHABLE' }],
    [429, '', { kind: 'later', code: 'VAULT_UNREACHABLE' }],
    [473, '', { kind: 'later', code: 'VAULT_UNREACHABLE' }],
    [503, errors('Vault is sealed'), { kind: 'later', code: 'VAULT_SEALED' }],
    [503, errors('error performing token check: Vault is sealed'), { kind: 'later', code: 'VAULT_SEALED' }],
    [503, '<html>overloaded</html>', { kind: 'later', code: 'VAULT_UNREACHABLE' }],
    // The database may have made the role before the engine failed.
    [500, errors('connection refused'), { kind: 'unknown', code: 'VAULT_UNREACHABLE' }],
    [502, '', { kind: 'unknown', code: 'VAULT_UNREACHABLE' }],
    [504, '', { kind: 'unknown', code: 'VAULT_UNREACHABLE' }],
    [599, '', { kind: 'unknown', code: 'VAULT_UNREACHABLE' }],
    [301, '', { kind: 'later', code: 'VAULT_UNREACHABLE' }],
    [307, '', { kind: 'later', code: 'VAULT_UNREACHABLE' }],
    [202, '', { kind: 'refused', code: 'VAULT_CONTRACT' }],
    [418, '', { kind: 'refused', code: 'VAULT_CONTRACT' }],
  ])('%i %s', (status, body, { code, ...meaning }) => {
    const failure = fail(status, body);
    expect(failure).toMatchObject({ missing: false, forbidden: false, ...meaning });
    expect(failure.problem.code).toBe(code);
    expect(failure.problem.message).toContain(`POST database/creds/report was answered ${status}`);
    expect(failure.problem.hint).toMatch(/\S+ \S+/);
  });

  test.each<[string, number, string, RegExp]>([
    ['auth/approle/login', 400, 'POST', /credentials of vault.auth/],
    ['auth/approle/login', 403, 'POST', /locked/],
    ['auth/token/create/tasklease', 400, 'POST', /token role tasklease must exist/],
    [
      'auth/token/create/tasklease',
      403,
      'POST',
      /path "auth\/token\/create\/tasklease" { capabilities = \["update"\] }/,
    ],
    [
      'sys/leases/revoke',
      403,
      'POST',
      /agent's own policy needs path "sys\/leases\/revoke" { capabilities = \["update"\] }/,
    ],
    ['secret/app', 403, 'GET', /path "secret\/app" { capabilities = \["read"\] } \(KV version 2 has data\//],
    ['pki/issue/app', 403, 'POST', /path "pki\/issue\/app" { capabilities = \["update"\] }/],
    ['nothing/here', 404, 'GET', /nothing is at nothing\/here/],
  ])('the hint for %s, %i', (path, status, method, hint) => {
    expect(fail(status, '', undefined, { method, path }).problem.hint).toMatch(hint);
  });
});

test('a token that Vault does not know is told from a policy that lacks a line', () => {
  const { problem } = fail(403, errors('2 errors occurred: * permission denied * invalid token'));
  expect(problem.hint).toMatch(/does not know the token .* no policy is missing/);
  expect(problem.hint).not.toContain('capabilities');
});

test('the hint for an entity alias that the token role does not allow names the role and its setting', () => {
  const line = { method: 'POST', path: 'auth/token/create/tasklease' };
  const { problem } = fail(400, errors("invalid 'entity_alias' value"), undefined, line);
  expect(problem.code).toBe('VAULT_DENIED');
  expect(problem.hint).toMatch(/^token role tasklease must list the alias .*allowed_entity_aliases/);
  expect(fail(400, errors("invalid 'entity_alias' value")).problem.hint).not.toContain('token role');
});

describe('Retry-After', () => {
  test.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ['0', 0],
    ['7', 7000],
    ['3600', 3_600_000],
    ['3601', undefined],
    ['-1', undefined],
    ['soon', undefined],
    ['Sun, 22 Nov 2026 10:00:00 GMT', undefined],
    ['1e400', undefined],
  ])('%s: %s ms', (header, ms) => {
    expect(fail(429, '', header).problem.retryAfterMs).toBe(ms);
  });
});

describe("Vault's own sentences", () => {
  const detail = (body: string): string => fail(500, body).problem.message;

  test('are told', () => {
    expect(detail(errors('first', 'second'))).toBe(
      'POST database/creds/report was answered 500: first; second',
    );
  });

  test('at most three, each cut to 240 characters', () => {
    const long = detail(errors('a'.repeat(1000), 'b'.repeat(1000), 'c'.repeat(1000), 'd'));
    expect(long).not.toContain('d;');
    expect(long).toContain(`: ${'a'.repeat(240)}; ${'b'.repeat(240)}; ${'c'.repeat(240)}`);
    expect(long.length).toBeLessThan(800);
  });

  test('control characters become blanks, so that no reply writes a log line of its own', () => {
    const odd = detail(errors('one\ntwo\r\n\u001b[31mred\u0000\u007f'));
    expect(odd).toContain('500: one two [31mred');
    expect([...odd].every((char) => char >= ' ' && char !== '\u007f')).toBe(true);
  });

  test.each([
    '',
    '<html>canary-4711</html>',
    '{"data":{"password":"canary-4711"}}',
    '{"errors":"canary-4711"}',
    '{"errors":{"0":"canary-4711"}}',
    '{"errors":[{"password":"canary-4711"},["canary-4711"],4711,null]}',
    'null',
    '[]',
    '{"errors":["canary-4711"',
  ])('nothing else of a body is: %s', (body) => {
    const { problem } = fail(500, body);
    expect(JSON.stringify([problem.body(), problem.message])).not.toContain(CANARY);
    expect(problem.message).toBe('POST database/creds/report was answered 500');
  });
});

describe('a request without a reply', () => {
  const failed = (cause: unknown) => failedRequest(LINE, 'https://vault:8200', cause);
  const coded = (code: string, more: Record<string, unknown> = {}) =>
    Object.assign(new Error(CANARY), { code, ...more });

  test.each<[string, Error]>([
    ['ECONNREFUSED', coded('ECONNREFUSED', { syscall: 'connect' })],
    ['ENOTFOUND', coded('ENOTFOUND', { syscall: 'getaddrinfo' })],
    ['EAI_AGAIN', coded('EAI_AGAIN', { syscall: 'getaddrinfo' })],
    ['EHOSTUNREACH', coded('EHOSTUNREACH')],
    ['ENETUNREACH', coded('ENETUNREACH')],
    ['ETIMEDOUT', coded('ETIMEDOUT', { syscall: 'connect' })],
    ['ECONNRESET', coded('ECONNRESET', { syscall: 'connect' })],
    ['UND_ERR_CONNECT_TIMEOUT', coded('UND_ERR_CONNECT_TIMEOUT')],
  ])('%s while connecting: it never left', (code, cause) => {
    const failure = failed(cause);
    expect(failure).toMatchObject({ kind: 'notDone', missing: false, forbidden: false });
    expect(failure.problem).toMatchObject({ code: 'VAULT_UNREACHABLE', retryable: true });
    expect(failure.problem.message).toBe(
      `POST database/creds/report: https://vault:8200 cannot be reached (${code})`,
    );
    expect(failure.problem.hint).toContain('vault.address');
  });

  test.each(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'HPE_INVALID_CONSTANT', TOO_LARGE])(
    '%s later: it may have been carried out',
    (code) => {
      const failure = failed(coded(code, { syscall: 'read' }));
      expect(failure.kind).toBe('unknown');
      expect(failure.problem.message).toBe(
        `POST database/creds/report: https://vault:8200 gave no answer (${code})`,
      );
    },
  );

  test.each(['EMFILE', 'ENFILE'])(
    '%s: it never left, and the limit of open files is what to raise',
    (code) => {
      const failure = failed(coded(code, { syscall: 'connect' }));
      expect(failure.kind).toBe('notDone');
      expect(failure.problem.hint).toMatch(/LimitNOFILE=/);
    },
  );

  test.each([
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'EPROTO',
  ])('%s: it never left, and the certificate is what to look at', (code) => {
    const failure = failed(coded(code));
    expect(failure.kind).toBe('notDone');
    expect(failure.problem.hint).toMatch(/vault\.ca_file/);
  });

  test.each<[unknown, string]>([
    [new TypeError(CANARY), 'TypeError'],
    [{ code: 42 }, 'an unknown error'],
    [{}, 'an unknown error'],
  ])('%o: what nobody foresaw may have been carried out', (cause, reason) => {
    const failure = failed(cause);
    expect(failure.kind).toBe('unknown');
    expect(failure.problem.message).toContain(`(${reason})`);
    expect(JSON.stringify(failure.problem.body())).not.toContain(CANARY);
  });
});

test('a reply that must not be relied on is refused, with what and what to do', () => {
  const failure = brokenContract(LINE, 'the reply holds no token', 'look at it');
  expect(failure).toMatchObject({ kind: 'refused', missing: false, forbidden: false });
  expect(failure.problem).toMatchObject({
    code: 'VAULT_CONTRACT',
    hint: 'look at it',
    message: 'POST database/creds/report: the reply holds no token',
  });
});
