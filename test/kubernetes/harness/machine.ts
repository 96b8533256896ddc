// Owns the machine that the node runs on: namespaces of its own on this host (processes, mounts, network), a link to it
// and a control group. Invariant: what the node does to mounts, processes, addresses and kernel settings stays inside and
// ends with its first process; what is left on the host after a kill (link, control group, directory) is swept by the
// next one, and there is one at a time.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { underLock } from '../../../src/dev/build-lock.ts';
import {
  type Child,
  forgetDirectory,
  guardDirectory,
  launch,
  logTail,
  untilReady,
} from '../../../src/dev/children.ts';
import { until } from '../../harness/until.ts';
import { SEARCH } from './programs.ts';

const run = promisify(execFile);
const PREFIX = 'tasklease-kubernetes-';
const LINK = 'tasklease-node';
/** Addresses for benchmarks inside a laboratory (RFC 2544): nobody routes them. */
export const HOST_ADDRESS = '198.18.77.1';
export const NODE_ADDRESS = '198.18.77.2';
export const LINK_SUBNET = '198.18.77.0/30';
export const POD_SUBNET = '198.18.78.0/24';
export const CONTROL_GROUP = 'tasklease-kubernetes';

/** What the kubelet sets for the whole kernel. It finds its own values in files that lie over these. */
export const KERNEL_SETTINGS: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/** The first process inside: makes /run, /var/lib and /var/log its own, then reaps what is left to it. */
const FIRST_PROCESS = `
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /var/log
mkdir -p /run/netns /run/lock
cd "$1/settings"
find . -type f | while read -r file; do mount --bind "$file" "/proc/sys/$file"; done
ip link set lo up
: >"$1/up"
while :; do sleep 86400 & wait $!; done
`;

export interface Machine {
  /** Private to this machine, on a disk of the host's, removed at the end. */
  readonly directory: string;
  /** False once it was switched off. */
  readonly isOn: boolean;
  /** The same path as processes inside see it, mounts included; gone once the machine is off. */
  inside(path: string): string;
  /** Starts a program inside: with all namespaces, or with the network alone, which outlives switchOff(). */
  launch(name: string, args: readonly string[], where: 'machine' | 'network'): Promise<Child>;
  log(name: string): string;
  /** The id on this host of a container's first process; undefined when it does not run. */
  firstProcessOf(container: string): number | undefined;
  /** SIGKILL for its first process, and so for every process in it, containers included; its mounts end too. */
  switchOff(): Promise<void>;
  /** Everything off, nothing left. Rejects when something is. */
  close(): Promise<void>;
}

/** Waits for its turn, sweeps, and makes a machine whose host end is HOST_ADDRESS. */
export async function startMachine(): Promise<Machine> {
  const giveBack = await takeTurn();
  const children: Child[] = [];
  try {
    await sweep();
    return await make(children, giveBack);
  } catch (error) {
    for (const child of children) await child.end('SIGKILL', 5_000);
    await sweep().finally(giveBack);
    throw error;
  }
}

async function takeTurn(): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const wait = () => process.stderr.write('Another run has the Kubernetes node; waiting for its end.\n');
    underLock(
      join(tmpdir(), `${PREFIX}lock`),
      () => false,
      () => new Promise<void>((release) => resolve(release)),
      wait,
    ).catch(reject);
  });
}

/** @param children gets whatever is started, for who has to end it when this fails */
async function make(children: Child[], giveBack: () => void): Promise<Machine> {
  const directory = await mkdtemp(join(tmpdir(), PREFIX));
  guardDirectory(directory);
  for (const [name, value] of Object.entries(KERNEL_SETTINGS)) {
    const file = join(directory, 'settings', name);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, `${value}\n`);
  }
  for (const hierarchy of hierarchies()) mkdirSync(join(hierarchy, CONTROL_GROUP));
  const logOf = (name: string) => join(directory, `${name}.log`);
  const env = { PATH: SEARCH, HOME: directory };
  const started = async (name: string, command: string, args: readonly string[]): Promise<Child> => {
    const child = await launch(command, [...args], { cwd: directory, env, logPath: logOf(name) });
    children.push(child);
    return child;
  };

  const namespaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--mount-proc'];
  const shell = ['/bin/sh', '-c', FIRST_PROCESS, 'machine', directory];
  const outer = await started('machine', 'unshare', [...namespaces, '--kill-child', ...shell]);
  await untilReady('the machine', outer, logOf('machine'), async () => existsSync(join(directory, 'up')));
  const first = Number(readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8'));

  const ip = (...args: string[]) => run('ip', args, { env });
  const inner = (...args: string[]) => run('nsenter', [`--target=${first}`, '--net', 'ip', ...args], { env });
  await ip('link', 'add', LINK, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', String(first));
  await ip('address', 'add', `${HOST_ADDRESS}/30`, 'dev', LINK);
  await ip('link', 'set', LINK, 'up');
  await inner('address', 'add', `${NODE_ADDRESS}/30`, 'dev', 'uplink');
  await inner('link', 'set', 'uplink', 'up');
  await ip('route', 'add', POD_SUBNET, 'via', NODE_ADDRESS);

  const switchOff = async (): Promise<void> => {
    await outer.end('SIGKILL', 5_000);
    // The first process is gone when every other one is.
    await until('the machine’s processes are gone', () => !existsSync(`/proc/${first}`));
  };
  return {
    directory,
    get isOn() {
      return outer.status() === undefined;
    },
    inside: (path) => join(`/proc/${first}/root`, path),
    async launch(name, [command, ...args], where) {
      const enter = where === 'network' ? ['--net'] : ['--mount', '--pid', '--net', '--ipc', '--uts'];
      return started(name, 'nsenter', [`--target=${first}`, ...enter, command!, ...args]);
    },
    log: (name) => logTail(logOf(name), 40),
    firstProcessOf,
    switchOff,
    async close() {
      try {
        await switchOff();
        await Promise.all(children.map((child) => child.end('SIGKILL', 5_000)));
        await sweep();
        forgetDirectory(directory);
        const left = traces();
        if (left.length > 0) throw new Error(`left on this host by the Kubernetes tests: ${left.join(', ')}`);
      } finally {
        giveBack();
      }
    },
  };
}

/** Where control groups can be made: one place with version 2, one for each controller with version 1. */
function hierarchies(): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.flatMap((line) => {
    const [, path, type] = line.split(' ');
    return type === 'cgroup' || type === 'cgroup2' ? [path!] : [];
  });
}

function firstProcessOf(container: string): number | undefined {
  for (const hierarchy of hierarchies()) {
    const group = join(hierarchy, CONTROL_GROUP);
    const found = readdirSync(group, { recursive: true, encoding: 'utf8' }).find(
      (path) => basename(path) === container,
    );
    if (found === undefined) continue;
    const pids = readFileSync(join(group, found, 'cgroup.procs'), 'utf8')
      .split('\n')
      .map(Number);
    return pids.find((pid) => pid > 1 && isFirst(pid));
  }
  return undefined;
}

/** Whether it is the first one in its innermost namespace. Others come and go: probes, commands of scripts. */
function isFirst(pid: number): boolean {
  try {
    return /^NSpid:.*\s1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** What a machine has on this host: link with address and route, mounts, control groups, directory. */
export function traces(): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, all = []]) =>
    name === LINK ? [name, ...all.map(({ address }) => address)] : [],
  );
  return [
    ...addresses,
    ...readFileSync('/proc/net/route', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(LINK)),
    ...mounts.filter((line) => line.includes(PREFIX)),
    ...hierarchies()
      .map((path) => join(path, CONTROL_GROUP))
      .filter((path) => existsSync(path)),
    ...directories(),
  ];
}

const directories = (): string[] =>
  readdirSync(tmpdir())
    .filter((name) => name.startsWith(PREFIX) && name !== `${PREFIX}lock`)
    .map((name) => join(tmpdir(), name));

/** Removes what machines left on the host. There is none that lives: the caller has the turn. */
async function sweep(): Promise<void> {
  await run('ip', ['link', 'delete', LINK], { env: { PATH: SEARCH } }).catch(() => undefined);
  for (const hierarchy of hierarchies()) await removeGroup(join(hierarchy, CONTROL_GROUP));
  for (const path of directories()) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
}

/** Kills what is in it and removes it, innermost first. */
async function removeGroup(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const names = readdirSync(path, { withFileTypes: true });
  for (const entry of names) if (entry.isDirectory()) await removeGroup(join(path, entry.name));
  await until(`${path} is removed`, () => {
    for (const pid of readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n')) {
      if (Number(pid) > 1) process.kill(Number(pid), 'SIGKILL');
    }
    rmdirSync(path);
    return true;
  });
}
