// What doctor tells to type where a directory is not in memory: it works as it stands.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isInMemory } from '../../../src/adapters/files/directory.ts';
import { readSettings } from '../../../src/adapters/settings/agent-settings.ts';
import { directories } from '../../../src/commands/doctor/directories.ts';

test('the mount of a directory that is missing makes it first', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-mounts-'));
  try {
    if (isInMemory(dir)) return;
    const [runtime, secrets] = [join(dir, 'there'), join(dir, 'run', 'tasks')];
    mkdirSync(runtime, { mode: 0o700 });
    const file = join(dir, 'agent.yaml');
    writeFileSync(
      file,
      `vault:
  address: http://127.0.0.1:8200
  auth: { method: token_file, token_file: ${dir}/token }
  session_role: session
  token_role: tasks
socket: { path: ${dir}/socket/agent.sock }
runtime_dir: ${runtime}
secrets_dir: ${secrets}
state_dir: ${dir}/state
profiles_dir: ${dir}/profiles
`,
    );
    const subject = {
      file,
      settings: readSettings(file, {}),
      profiles: [],
      pid: null,
      uid: process.geteuid!(),
    };
    const next = (id: string) => directories(subject).find((finding) => finding.id === id)?.next;
    expect(next('memory.runtime_dir')).toBe(`mount -t tmpfs -o size=16m,mode=0700,noswap tmpfs ${runtime}`);
    expect(next('memory.secrets_dir')).toBe(
      `mkdir -p ${secrets} && mount -t tmpfs -o size=16m,mode=0711,noswap tmpfs ${secrets}`,
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
