// Owns which signals `run` passes on. Invariant: CMD sees each signal once, although it shares our process
// group and terminal.
//
// The kernel sends what the terminal makes (Ctrl-C, Ctrl-\, a resize) to the whole foreground process
// group, CMD included. Passing those on as well would deliver them twice, and many programs take a second
// SIGINT as "now, without cleaning up". A signal does not say where it comes from, so we ask whether our
// group is the foreground group of our controlling terminal at that moment: then INT, QUIT and WINCH are
// CMD's already. The price: `kill -INT <pid of run>` by hand is not passed on in that situation; TERM is.
// TERM, HUP, USR1, USR2 and CONT are always passed on; a terminal sends none of them but HUP and CONT,
// which are harmless twice. TSTP is not caught: Ctrl-Z stops us and CMD together, as a shell expects.

import { readFileSync } from 'node:fs';

const FORWARDED = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGWINCH',
] as const;
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH']);
const ENDING: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']);

/** Whether a signal asks a process to end. */
export const asksToEnd = (signal: NodeJS.Signals): boolean => ENDING.has(signal);

/** Catches every signal that is passed on; returns the function that lets go of them. */
export function catchSignals(receive: (signal: NodeJS.Signals) => void): () => void {
  const listeners = FORWARDED.map((signal) => [signal, () => receive(signal)] as const);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}

/** Whether CMD has to be given this signal by us, or has had it from the terminal. */
export const mustForward = (signal: NodeJS.Signals): boolean => !FROM_TERMINAL.has(signal) || !inForeground();

function inForeground(): boolean {
  try {
    return isForegroundGroup(readFileSync('/proc/self/stat', 'utf8'));
  } catch {
    return process.stdin.isTTY === true; // not Linux: the best guess
  }
}

/** proc_pid_stat(5): after `pid (comm) state ppid` come pgrp, session, tty_nr, tpgid; comm may hold blanks. */
export function isForegroundGroup(stat: string): boolean {
  const [, , group, , tty, foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return tty !== '0' && group !== undefined && group === foreground;
}
