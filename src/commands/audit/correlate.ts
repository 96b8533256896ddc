// Owns `tasklease audit correlate`: what the ledger and Vault's own audit log say of the same leases, and where they differ.

import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ledgerLines, SourceFault, sourceLines } from '../../adapters/ledger/source.ts';
import { type Correlation, Correlator } from '../../audit/correlate.ts';
import { readRecords } from '../../audit/read.ts';
import { type VaultAct, vaultAct } from '../../audit/vault-log.ts';
import { parse, readOutput } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { UsageError } from '../../cli/failure.ts';
import { columns, paint, print } from '../../cli/output.ts';
import { ledgerPath, placeOptions, placeUsage } from './options.ts';

export const command: Command = {
  usage: `Usage: tasklease audit correlate --vault-audit FILE [options]

Compares the ledger with Vault's audit log (a file device): each lease issued, renewed and revoked, each task token made.
Names what is in one and not in the other. Vault's log shows lease ids in clear where it answers a read or a renewal; in
revocations it has hashed them, unless the device has log_raw: name an auditor's token to have Vault say which is which.

Examples:
  tasklease audit correlate --vault-audit /var/log/vault/audit.log
  tasklease audit correlate --vault-audit audit.log --vault https://vault.internal:8200 --token-file auditor --device file

Options:
  --vault-audit FILE   Vault's audit log, JSON lines, .gz too (required; again for each rotated file)
  --hmac-key FILE      the ledger's key for ids (default: hmac.key in the ledger's directory)
  --vault URL          ask this Vault's sys/audit-hash for the hashes of lease ids; needs the two below
  --token-file FILE    a token that may update sys/audit-hash/DEVICE
  --device NAME        the audit device that wrote FILE (default: file)
  --output table|json  what to print (default table)
${placeUsage}

Exit code: 0 both agree, 1 they differ or cannot be read, 2 usage
`,
  async run(args) {
    const { values } = parse('audit correlate', args, {
      ...placeOptions,
      'vault-audit': { type: 'string', multiple: true },
      'hmac-key': { type: 'string' },
      vault: { type: 'string' },
      'token-file': { type: 'string' },
      device: { type: 'string' },
      output: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    });
    const output = readOutput('audit correlate', values.output);
    const logs = values['vault-audit'];
    if (logs === undefined)
      throw new UsageError('--vault-audit is missing', 'tasklease audit correlate --vault-audit FILE');
    const path = await ledgerPath(values);
    const key = keyIn(values['hmac-key'] ?? join(path, 'hmac.key'));
    const { acts, cut } = await actsIn(logs);
    const resolved = values.vault === undefined ? new Map<string, string>() : await hashes(acts, values);
    const hmac = (clear: string) => `hmac-sha256:${createHmac('sha256', key).update(clear).digest('hex')}`;
    const correlator = new Correlator({ hmac, resolved });
    for await (const record of readRecords(ledgerLines(path))) correlator.record(record);
    for (const act of acts) correlator.vault(act);
    const result = correlator.result();
    print(output === 'json' ? JSON.stringify({ ...result, cut }) : text(result, cut));
    return result.differences.length === 0 ? Exit.ok : Exit.failed;
  },
};

function keyIn(path: string): Buffer {
  try {
    return Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SourceFault(
      `${path} cannot be read (${code}): give the ledger's key for ids with --hmac-key FILE`,
    );
  }
}

/** @returns what Vault did, and the files whose last line was still being written */
async function actsIn(logs: readonly string[]): Promise<{ acts: VaultAct[]; cut: string[] }> {
  const acts: VaultAct[] = [];
  const cut: string[] = [];
  for await (const { text: line, line: number, file, whole } of sourceLines(logs)) {
    if (line.trim() === '') continue;
    try {
      const act = vaultAct(line);
      if (act !== null) acts.push(act);
    } catch {
      if (whole)
        throw new SourceFault(`line ${number} of ${file} is not JSON: is it the audit log of a file device?`);
      cut.push(file);
    }
  }
  // A device writes in the order of the answers, several devices and files may not.
  return { acts: acts.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)), cut };
}

/** What Vault makes of each lease id that its log shows in clear: hash → clear. */
async function hashes(
  acts: readonly VaultAct[],
  {
    vault,
    'token-file': tokenFile,
    device = 'file',
  }: { vault?: string; 'token-file'?: string; device?: string },
): Promise<Map<string, string>> {
  if (tokenFile === undefined) throw new UsageError('--vault needs --token-file', '--token-file FILE');
  const token = readFileSync(tokenFile, 'utf8').trim();
  const clear = new Set(acts.flatMap(({ id }) => (id === null || id.startsWith('hmac-') ? [] : [id])));
  const found = new Map<string, string>();
  for (const input of clear) {
    const reply = await fetch(`${vault}/v1/sys/audit-hash/${encodeURIComponent(device)}`, {
      method: 'POST',
      redirect: 'error',
      headers: { 'X-Vault-Token': token, 'Content-Type': 'application/json' },
      body: JSON.stringify({ input }),
    });
    const said = (await reply.json()) as { data?: { hash?: string } };
    if (said.data?.hash === undefined) {
      throw new SourceFault(
        `Vault answers ${reply.status} to sys/audit-hash/${device}: check the token and --device`,
      );
    }
    found.set(said.data.hash, input);
  }
  return found;
}

function text({ differences, unheard, agree, unresolved }: Correlation, cut: readonly string[]): string {
  const { tokens, issued, renewed, revoked } = agree;
  const both = `both have ${tokens} tokens, ${issued} leases issued, ${renewed} renewals, ${revoked} revocations`;
  const dead = unheard.map(
    ({ task, what, path }) =>
      `unheard: Vault ${what} (${task ?? '-'}, ${path ?? '-'}): the agent that asked died`,
  );
  const hashed =
    unresolved === 0
      ? []
      : [
          `${unresolved} revocations are hashed in Vault's log: --vault, --token-file and --device compare them too`,
        ];
  const torn = cut.map((file) => `the last line of ${file} is cut, and left out`);
  const rest = [...dead, ...hashed, ...torn];
  if (differences.length === 0)
    return [paint('green', 'the ledger and Vault agree'), both, ...rest].join('\n');
  const rows = differences.map(({ where, what, task, path, lease, time }) => [
    ...[where, task ?? '-', what, path ?? '-', time, lease ?? '-'],
  ]);
  return [
    paint('red', `the ledger and Vault differ in ${differences.length} points`),
    columns([['SAYS', 'TASK', 'WHAT', 'PATH', 'TIME', 'LEASE'], ...rows]),
    both,
    ...rest,
  ].join('\n');
}
