// Owns the two worlds that the liveness port is shown on: a simulated process table and this machine's
// processes and cgroups. Invariant: whatever is made here is ended and removed by cleanUp().

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLiveness } from '../../src/adapters/peer/liveness.ts';
import type { Binder, Liveness } from '../../src/ports/liveness.ts';
import { settle } from '../simulation/world/sim-clock.ts';
import { SimLiveness } from '../simulation/world/sim-liveness.ts';

export interface LiveProcess {
  readonly pid: number;
  readonly uid: number;
  kill(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** The signals that have arrived; all but SIGHUP end it. */
  signals(): Promise<readonly string[]>;
}

export interface LivenessSubject {
  readonly liveness: Liveness;
  /** A living process, in this cgroup if one is given. */
  spawn(cgroup?: string): Promise<LiveProcess>;
  /** An empty cgroup of this uid; `name` may have slashes, its parents first. */
  makeCgroup(name: string, uid?: number): string;
  /** Long enough for a callback that is due. */
  pass(): Promise<void>;
}

/** What a caller of this process says of itself. */
export const callerIs = ({ pid, uid }: { readonly pid: number; readonly uid: number }): Binder => ({
  pid,
  uid,
});

export function simulated(): LivenessSubject & { readonly liveness: SimLiveness } {
  const liveness = new SimLiveness();
  let pid = 100;
  return {
    liveness,
    pass: settle,
    async spawn(cgroup) {
      pid += 1;
      const own = pid;
      liveness.spawn(own, 1000, cgroup);
      return {
        pid: own,
        uid: 1000,
        kill: async () => liveness.kill(own),
        signals: async () => liveness.signals(own),
      };
    },
    makeCgroup(name, uid) {
      liveness.makeCgroup(`/sim/${name}`, uid);
      return `/sim/${name}`;
    },
  };
}

/** The cgroup2 mount, where this machine has one that the tests may write to; else null. */
const cgroup2 = ((): string | null => {
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((line) => / - cgroup2 /.test(line) && line.split(' ')[3] === '/')
    ?.split(' ')[4];
  if (mount === undefined) return null;
  const probe = `${mount}/tasklease-probe-${process.pid}`;
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return mount;
  } catch {
    return null;
  }
})();

export const mayMakeCgroups = cgroup2 !== null;

const real = openLiveness();
const children: ChildProcess[] = [];
const cgroups: string[] = [];

// Writes one dot for every SIGHUP; `sleep` would die of it.
const WORKLOAD = "trap 'printf .' HUP; printf ready; while :; do sleep 60 & wait $!; done";

export const onThisMachine = (): LivenessSubject => ({
  liveness: real,
  pass: () => sleep(200),
  async spawn(cgroup) {
    const child = spawn('sh', ['-c', WORKLOAD], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    children.push(child);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await once(child.stdout, 'data');
    if (cgroup !== undefined) writeFileSync(`${cgroup2}${cgroup}/cgroup.procs`, `${child.pid}`);
    return {
      pid: child.pid!,
      uid: process.getuid!(),
      async kill(signal = 'SIGKILL') {
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
        endGroup(child);
      },
      async signals() {
        await sleep(200);
        return [...said.replace('ready', '')].map(() => 'SIGHUP');
      },
    };
  },
  makeCgroup(name, uid) {
    const path = `/tasklease-test-${process.pid}-${name}`;
    const dir = `${cgroup2}${path}`;
    mkdirSync(dir);
    if (uid !== undefined) chownSync(dir, uid, -1 >>> 0);
    cgroups.push(dir);
    return path;
  },
});

/** The workload's own `sleep` would keep a cgroup populated. */
function endGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
}

/** Removes a cgroup of this machine, which must be empty. */
export const removeCgroup = (path: string): void => rmdirSync(`${cgroup2}${path}`);

export async function cleanUp(): Promise<void> {
  const left = children
    .splice(0)
    .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  for (const child of left) endGroup(child);
  await Promise.all(left.map((child) => once(child, 'exit')));
  for (const dir of cgroups.splice(0).reverse()) {
    for (let tries = 0; existsSync(dir) && tries < 50; tries += 1) {
      try {
        rmdirSync(dir);
      } catch {
        // A process that was killed is still on its way out.
        await sleep(20);
      }
    }
  }
}

export const closeAll = async (): Promise<void> => {
  await cleanUp();
  real.close();
};
