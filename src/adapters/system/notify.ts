// Owns what the service manager is told (sd_notify(3)): ready, alive, what it is doing, stopping. Invariant: a manager
// that does not listen costs nothing and stops nothing; each message is one datagram, sent without waiting.

import { type NotifySocket, openNotifySocket } from '../native/notify-socket.ts';

export interface ServiceManager {
  /** Null where nobody waits for signs of life; else how often one is expected at the latest. Milliseconds. */
  readonly watchdogMs: number | null;
  tell(...lines: readonly string[]): void;
  close(): void;
}

/** Null where no manager asked to be told (NOTIFY_SOCKET). */
export function openServiceManager(env: NodeJS.ProcessEnv, pid: number): ServiceManager | null {
  const address = env.NOTIFY_SOCKET ?? '';
  // sd_notify(3): a path, or @ and an abstract name.
  if (!/^[/@]./.test(address)) return null;
  let socket: NotifySocket | null;
  try {
    socket = openNotifySocket(address);
  } catch {
    return null;
  }
  return {
    watchdogMs: watchdogOf(env, pid),
    tell: (...lines) => socket?.send(Buffer.from(lines.map(plain).join('\n'))),
    close() {
      socket?.close();
      socket = null;
    },
  };
}

/** sd_watchdog_enabled(3): meant for this process, in microseconds. */
function watchdogOf(env: NodeJS.ProcessEnv, pid: number): number | null {
  const micros = Number(env.WATCHDOG_USEC);
  const meant = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid;
  return meant && Number.isFinite(micros) && micros > 0 ? micros / 1000 : null;
}

/** A line of a message must stay one. */
const plain = (line: string): string => line.replace(/[\r\n]+/g, ' ');
