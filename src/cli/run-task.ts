// Owns the life of one `tasklease run`: start, CMD, stop. Invariants: CMD never runs without an active
// task; however this ends, the task is told to stop; the exit code is CMD's unless tasklease itself failed
// (125) or the asked duration was over (124). In a good run nothing is printed.

import { alarmIn } from './alarm.ts';
import { type Ended, exitCodeOf, spawnCommand } from './child.ts';
import type { Client, Trace } from './client.ts';
import { RunExit } from './command.ts';
import { finalStop } from './final-stop.ts';
import { type Granted, startBound } from './lease.ts';
import { type Ending, type Times, type Watch, watchLease } from './lease-watch.ts';
import { say } from './output.ts';
import { report } from './report.ts';
import { Restarts } from './restarts.ts';
import { asksToEnd, catchSignals, mustForward } from './signals.ts';
import type { Start } from './start-body.ts';
import { traceOfChild } from './trace.ts';
import * as voice from './voice.ts';

export interface Run {
  readonly client: Client;
  readonly start: Start;
  /** CMD and its arguments. */
  readonly command: readonly string[];
  /** CMD is started again when its files have changed. */
  readonly restartOnChange?: boolean;
  readonly trace?: Trace;
  /** How long the agent may be away before the task counts as lost, ms (README, Command line: 10 s). */
  readonly windowMs?: number;
  /** How long to wait for the proof after CMD's end, ms (README, Command line: 30 s). */
  readonly proofMs?: number;
}

export async function runTask(run: Run): Promise<number> {
  // Until CMD lives, and again once it has ended, a signal is for us; in between it is CMD's.
  let child: Restarts | undefined;
  const interruption = Promise.withResolvers<NodeJS.Signals>();
  let stopWaiting = (): void => {};
  const waiting = new AbortController();
  const release = catchSignals((signal) => {
    if (child !== undefined) {
      if (mustForward(signal)) child.kill(signal);
      child.forwarded(signal);
    } else if (asksToEnd(signal)) {
      interruption.resolve(signal);
      waiting.abort();
      stopWaiting();
    }
  });
  const stop = (awaySince: number = performance.now()): Promise<void> =>
    finalStop(run.client, run.start.task, {
      proofMs: run.proofMs ?? 30_000,
      awaySince,
      impatient: new Promise((resolve) => {
        stopWaiting = resolve;
      }),
    });
  let watch: Watch | undefined;
  try {
    const started = await Promise.race([
      startBound(run.client, run.start, process.pid, waiting.signal),
      interruption.promise,
    ]);
    if (typeof started === 'string') {
      // The start may still be under way: stopping it is all the same to the agent.
      say(voice.run.interrupted(run.start.task, started));
      await stop();
      return exitCodeOf(null, started);
    }
    const granted = started;
    if (granted.state !== 'active' && granted.state !== 'degraded') {
      say(voice.run.notActive(run.start.task, granted.state));
      await stop();
      return RunExit.failed;
    }
    const { task } = run.start;
    const trace = run.trace === undefined ? {} : traceOfChild(run.trace);
    const env = { TASKLEASE_TASK: task, TASKLEASE_DIR: granted.dir, ...trace };
    child = new Restarts({
      spawn: () => spawnCommand(run.command, env),
      onChange: run.restartOnChange ?? false,
      filesSince: granted.filesSince,
      graceMs: () => guard.graceMs,
      tell: () => say(voice.run.restarting(task)),
    });
    const guard = new Guard(run, child);
    watch = guard.watch(granted);
    const code = await guard.end(granted);
    child = undefined;
    watch.mute();
    await stop(guard.awaySince);
    return code;
  } catch (error) {
    report('run', error);
    return RunExit.failed;
  } finally {
    // What holds the task alive is closed last: a hold that breaks before the stop would look like a loss.
    watch?.close();
    run.client.close();
    release();
  }
}

/** Waits for CMD's end, and brings it about when time is up or the task is gone. */
class Guard {
  /** Since when the agent has been away (performance.now()); undefined while it is there. */
  awaySince: number | undefined;
  /** Between the end of the asked duration and the deadline. */
  graceMs = 0;
  private readonly run: Run;
  private readonly child: Restarts;
  private verdict: number | undefined;
  /** The deadline comes from our own clock and from the agent; the first one counts. */
  private killed = false;
  private cancelAlarms = (): void => {};

  constructor(run: Run, child: Restarts) {
    this.run = run;
    this.child = child;
  }

  watch(granted: Granted): Watch {
    const windowMs = this.run.windowMs ?? 10_000;
    const { held } = granted;
    const seconds = Math.round(windowMs / 1000);
    // A task that is bound to this process does not need the agent for a while: its restart goes unnoticed.
    let told = false;
    const tell = (text: string): void => {
      told = true;
      say(text);
    };
    return watchLease(this.run.client, this.run.start.task, {
      ...(held === undefined ? {} : { held }),
      windowMs,
      onEnd: (ending) => this.taskEnded(ending),
      onTimes: (times) => this.arm(times),
      onFiles: (filesSince) => this.child.changed(filesSince),
      onAway: (away) => {
        if (away === 'broken') this.awaySince = performance.now();
        if (away === 'broken' && held !== undefined) tell(voice.run.reconnecting(seconds));
        if (away === 'long') tell(voice.run.awayLong(this.run.start.task, seconds));
        if (away !== 'back') return;
        this.awaySince = undefined;
        if (told) say(voice.run.reconnected);
        told = false;
      },
    });
  }

  /** Resolves to the exit code of `run`. */
  async end(granted: Granted): Promise<number> {
    this.arm(granted);
    const ended = await this.child.ended();
    this.cancelAlarms();
    return this.verdict ?? exitCode(this.run, ended);
  }

  /** Sets both alarms, anew when the task was extended; what has rung has rung. */
  private arm({ expiresAt, deadline }: Times): void {
    if (this.verdict !== undefined || Number.isNaN(Date.parse(deadline))) return;
    this.cancelAlarms();
    this.graceMs = Date.parse(deadline) - Date.parse(expiresAt);
    const now = Date.now();
    const cancels = [
      alarmIn(Date.parse(expiresAt) - now, () => this.timeUp()),
      alarmIn(Date.parse(deadline) - now, () => this.deadline()),
    ];
    this.cancelAlarms = () => {
      for (const cancel of cancels) cancel();
    };
  }

  private timeUp(): void {
    if (this.killed) return;
    this.verdict ??= RunExit.timedOut;
    say(voice.run.timeUp(this.run.start.task));
    this.child.terminate();
  }

  private deadline(): void {
    if (this.killed) return;
    this.killed = true;
    this.verdict ??= RunExit.timedOut;
    this.child.stay();
    say(voice.run.deadline(this.run.start.task));
    this.child.kill('SIGKILL');
  }

  private taskEnded(ending: Ending): void {
    const { task } = this.run.start;
    if ('lost' in ending) {
      this.awaySince = Number.NEGATIVE_INFINITY;
      this.verdict ??= RunExit.failed;
      say(voice.run.lost(task, ending.lost));
    } else if (ending.reason === 'expired') {
      return this.deadline();
    } else if (ending.reason === 'completed') {
      // Stopped in good order by someone else: no failure of ours, so CMD's own code stands.
      say(voice.run.stoppedByOther(task));
    } else {
      this.verdict ??= RunExit.failed;
      say(voice.run.ended(task, ending.reason));
    }
    this.child.terminate();
  }
}

function exitCode(run: Run, ended: Ended): number {
  if ('exitCode' in ended) return ended.exitCode;
  say(voice.run.spawnFailed(run.command[0] ?? '', ended.spawnError));
  if (ended.spawnError === 'ENOENT') return RunExit.notFound;
  return ended.spawnError === 'EACCES' ? RunExit.notExecutable : RunExit.failed;
}
