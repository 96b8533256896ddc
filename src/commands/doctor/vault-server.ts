// Owns doctor's look at the server behind vault.address: reachable, unsealed, by which TLS, with which clock.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { failedRequest } from '../../adapters/vault/classify.ts';
import { type Probe, probe } from '../../adapters/vault/probe.ts';
import type { VaultOptions } from '../../adapters/vault/vault-client.ts';
import { formatDuration } from '../../domain/duration.ts';
import { error, type Finding, ok, warning } from './finding.ts';

const DAY_MS = 86_400_000;
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Null where it cannot be asked further. */
export async function vaultServer(options: VaultOptions): Promise<{ findings: Finding[]; answers: boolean }> {
  const findings: Finding[] = [...ownCertificate(options)];
  let seen: Probe;
  try {
    seen = await probe(options);
  } catch (cause) {
    const { problem } = failedRequest({ method: 'GET', path: 'sys/health' }, options.address, cause);
    findings.push(
      error(
        'vault.reachable',
        problem.message,
        'starts fail, and stops wait, until it answers',
        problem.hint ?? 'look at Vault',
      ),
    );
    return { findings, answers: false };
  }
  const version = seen.version === null ? '' : `, version ${seen.version}`;
  const isVault = seen.sealed !== null;
  findings.push(
    !isVault
      ? error(
          'vault.reachable',
          `${options.address} answers ${seen.status}, but not as Vault does`,
          'tokens must not be sent to anything else',
          'correct vault.address',
        )
      : ok(
          'vault.reachable',
          `${options.address} answers${version}${seen.standby === true ? ', as a standby' : ''}`,
        ),
  );
  if (seen.sealed === true)
    findings.push(
      error(
        'vault.sealed',
        'Vault is sealed',
        'nothing is leased, renewed or revoked until it is unsealed',
        'unseal it',
      ),
    );
  findings.push(transport(options, seen), ...clock(seen));
  return { findings, answers: isVault && seen.sealed === false };
}

function transport({ address }: VaultOptions, { tls }: Probe): Finding {
  const id = 'vault.tls';
  if (tls === null) {
    return LOOPBACK.test(new URL(address).hostname)
      ? ok(id, 'no TLS, on this host only')
      : warning(
          id,
          `${address} has no TLS`,
          'tokens and secrets can be read and changed on their way',
          'give Vault a certificate, and an https address with vault.ca_file',
        );
  }
  return expiry(
    id,
    `the certificate of Vault (${tls.subject}, by ${tls.issuer}, ${tls.protocol})`,
    tls.endsAt,
  );
}

function expiry(id: string, what: string, endsAt: number): Finding {
  const leftMs = endsAt - Date.now();
  const end = new Date(endsAt).toISOString();
  const next = 'put a new certificate there; it is used within a second';
  if (leftMs <= 0) return error(id, `${what} ended at ${end}`, 'connections are refused', next);
  if (leftMs < 14 * DAY_MS)
    return warning(id, `${what} ends at ${end}`, 'from then on connections are refused', next);
  return ok(id, `${what} verifies, and is good until ${end}`);
}

/** The certificate that we show to Vault. */
function ownCertificate({ clientCertFile }: VaultOptions): Finding[] {
  if (clientCertFile === undefined) return [];
  const id = 'vault.client-certificate';
  try {
    const { validTo } = new X509Certificate(readFileSync(clientCertFile));
    return [expiry(id, `the client certificate ${clientCertFile}`, Date.parse(validTo))];
  } catch (failure) {
    const { code } = failure as NodeJS.ErrnoException;
    return [
      error(
        id,
        `the client certificate ${clientCertFile} cannot be used (${code ?? 'no certificate'})`,
        'Vault cannot be logged in to',
        'put a certificate in PEM there',
      ),
    ];
  }
}

function clock({ skewMs }: Probe): Finding[] {
  const id = 'vault.clock';
  if (skewMs === null) return [];
  const way = skewMs > 0 ? 'ahead of' : 'behind';
  const what = `the clock of Vault is ${formatDuration(Math.abs(skewMs))} ${way} ours`;
  const reason = 'times in receipts, windows and assertions are judged by our clock, TTLs by that of Vault';
  const next = 'let both follow the same time servers (chronyc tracking, timedatectl)';
  if (Math.abs(skewMs) > 30_000) return [error(id, what, reason, next)];
  if (Math.abs(skewMs) > 2000) return [warning(id, what, reason, next)];
  return [ok(id, 'the clock of Vault agrees with ours')];
}
