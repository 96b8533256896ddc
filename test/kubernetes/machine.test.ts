// Tells that the node's machine leaves this host as it was: after a run, after one that was killed, and that its kernel
// settings, mounts and processes are its own.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { until } from '../harness/until.ts';
import { KERNEL_SETTINGS, type Machine, startMachine, traces } from './harness/machine.ts';

const ABANDONED = fileURLToPath(new URL('harness/abandoned.ts', import.meta.url));

let machine: Machine | undefined;
afterEach(async () => {
  await machine?.close();
  machine = undefined;
});

const settings = (): string[] =>
  Object.keys(KERNEL_SETTINGS).map((name) => readFileSync(`/proc/sys/${name}`, 'utf8').trim());

test('the machine has the kernel settings that a kubelet wants, and this host keeps its own', async () => {
  const before = settings();
  machine = await startMachine();
  const inside = await Promise.all(
    Object.keys(KERNEL_SETTINGS).map((name) =>
      readFileSync(machine!.inside(`/proc/sys/${name}`), 'utf8').trim(),
    ),
  );
  expect(inside).toEqual(Object.values(KERNEL_SETTINGS));
  expect(settings()).toEqual(before);
});

test('nothing is left on this host once it was taken down', async () => {
  machine = await startMachine();
  await machine.launch('busy', ['sleep', '600'], 'machine');
  expect(traces()).toEqual(expect.arrayContaining([machine.directory, expect.stringContaining('198.18.77')]));
  // It looks itself, while nobody else can start one, and says what is left.
  await machine.close();
  machine = undefined;
});

test('a run that is killed with -9 takes its processes along, and the next one sweeps what it left', async () => {
  const killed = spawn(process.execPath, [ABANDONED], { stdio: ['ignore', 'pipe', 'inherit'] });
  const directory = String((await killed.stdout.take(1).toArray())[0]).trim();
  const processes = () => processesIn(directory);
  expect(processes().length).toBeGreaterThan(0);
  killed.kill('SIGKILL');
  await until('its processes are gone', () => processes().length === 0);
  expect(traces()).not.toEqual([]); // its control groups, at least

  machine = await startMachine();
  expect(existsSync(directory)).toBe(false);
  await machine.close();
  machine = undefined;
});

/** Processes of this host that work in `directory`. */
function processesIn(directory: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const started = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      return /^\d+$/.test(pid) && started.includes(`HOME=${directory}`);
    } catch {
      return false; // no process, or gone meanwhile
    }
  });
}
