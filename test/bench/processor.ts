// Owns processor time as the kernel counts it: utime + stime of a process and everything below it, also of children
// that ended (proc_pid_stat(5)). Counted in ticks of 10 ms, so that only differences over many tasks mean something.

import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10;

/** Fields after the command's name, which may hold anything; [1] is the parent, [11] to [14] the four times. */
function stat(pid: number | string): number[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
  } catch {
    // Gone between the list and the look.
    return null;
  }
}

/** Of a process, its living descendants, and those of all of them that have ended and were waited for. */
export function treeMs(root: number): number {
  const children = new Map<number, number[]>();
  const ticks = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = stat(name);
    if (fields === null) continue;
    const pid = Number(name);
    children.set(fields[1]!, [...(children.get(fields[1]!) ?? []), pid]);
    ticks.set(pid, fields[11]! + fields[12]! + fields[13]! + fields[14]!);
  }
  const sum = (pid: number): number =>
    (children.get(pid) ?? []).reduce((all, child) => all + sum(child), ticks.get(pid) ?? 0);
  return sum(root) * TICK_MS;
}

/** Of this process' children that have ended: what a tool cost that is run once for every task. */
export function endedChildrenMs(): number {
  const fields = stat('self')!;
  return (fields[13]! + fields[14]!) * TICK_MS;
}

/** Of this process itself. */
export function ownMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
