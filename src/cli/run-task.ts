// Owns the life of one `tasklease run`: start, CMD, stop. Invariants: CMD never runs without an active
// task; however this ends, the task is told to stop; the exit code is CMD's unless tasklease itself failed
// (125) or the asked duration was over (124). In a good run nothing is printed.

import { alarmIn } from './alarm.ts';
import { type Child, type Ended, exitCodeOf, spawnCommand } from './child.ts';
import type { Client } from './client.ts';
import { RunExit } from './command.ts';
import { AgentUnreachable, Refused } from './failure.ts';
import { type Granted, startBound, stopTask } from './lease.ts';
import { type Ending, type Watch, watchLease } from './lease-watch.ts';
import { say } from './output.ts';
import { report } from './report.ts';
import { unprovedLeases } from './show.ts';
import { asksToEnd, catchSignals, mustForward } from './signals.ts';
import type { Start } from './start-body.ts';
import * as voice from './voice.ts';

export interface Run {
  readonly client: Client;
  readonly start: Start;
  /** CMD and its arguments. */
  readonly command: readonly string[];
  /** How long the agent may be away before the task counts as lost, ms (README, Command line: 10 s). */
  readonly windowMs?: number;
  /** How long to wait for the proof after CMD's end, ms (README, Command line: 30 s). */
  readonly proofMs?: number;
}

export async function runTask(run: Run): Promise<number> {
  // Until CMD lives, and again once it has ended, a signal is for us; in between it is CMD's.
  let child: Child | undefined;
  const interruption = Promise.withResolvers<NodeJS.Signals>();
  let stopWaiting = (): void => {};
  const release = catchSignals((signal) => {
    if (child !== undefined) {
      if (mustForward(signal)) child.kill(signal);
    } else if (asksToEnd(signal)) {
      interruption.resolve(signal);
      stopWaiting();
    }
  });
  const stop = (heard: boolean): Promise<void> =>
    stopAndTell(
      run,
      heard,
      new Promise((resolve) => {
        stopWaiting = resolve;
      }),
    );
  let watch: Watch | undefined;
  try {
    const started = await Promise.race([
      startBound(run.client, run.start, process.pid),
      interruption.promise,
    ]);
    if (typeof started === 'string') {
      // The start may still be under way: stopping it is all the same to the agent.
      say(voice.run.interrupted(run.start.task, started));
      await stop(true);
      return exitCodeOf(null, started);
    }
    const granted = started;
    if (granted.state !== 'active' && granted.state !== 'degraded') {
      say(voice.run.notActive(run.start.task, granted.state));
      await stop(true);
      return RunExit.failed;
    }
    child = spawnCommand(run.command, { TASKLEASE_TASK: run.start.task, TASKLEASE_DIR: granted.dir });
    const guard = new Guard(run, child);
    watch = guard.watch(granted);
    const code = await guard.end(granted);
    child = undefined;
    watch.mute();
    await stop(guard.heard);
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
  /** False while the agent is away. */
  heard = true;
  private readonly run: Run;
  private readonly child: Child;
  private verdict: number | undefined;
  /** The deadline comes from our own clock and from the agent; the first one counts. */
  private killed = false;

  constructor(run: Run, child: Child) {
    this.run = run;
    this.child = child;
  }

  watch(granted: Granted): Watch {
    const windowMs = this.run.windowMs ?? 10_000;
    return watchLease(this.run.client, this.run.start.task, {
      hold: granted.held !== undefined,
      ...(granted.held === undefined ? {} : { first: granted.held }),
      windowMs,
      onEnd: (ending) => this.taskEnded(ending),
      onAway: (away) => {
        this.heard = !away;
        say(away ? voice.run.reconnecting(Math.round(windowMs / 1000)) : voice.run.reconnected);
      },
    });
  }

  /** Resolves to the exit code of `run`. */
  async end(granted: Granted): Promise<number> {
    const now = Date.now();
    const cancels = [
      alarmIn(Date.parse(granted.expiresAt) - now, () => this.timeUp()),
      alarmIn(Date.parse(granted.deadline) - now, () => this.deadline()),
    ];
    const ended = await this.child.ended;
    for (const cancel of cancels) cancel();
    return this.verdict ?? exitCode(this.run, ended);
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
    say(voice.run.deadline(this.run.start.task));
    this.child.kill('SIGKILL');
  }

  private taskEnded(ending: Ending): void {
    const { task } = this.run.start;
    if ('lost' in ending) {
      this.heard = false;
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

/**
 * Stops the task and waits for the proof, or until `impatient`. Says what is not as it should be; the exit
 * code stays CMD's, since its work is done and the agent or Vault's leash ends the lease.
 * @param heard false when the agent was away last: then there is one attempt, not a wait for its return.
 */
async function stopAndTell(run: Run, heard: boolean, impatient: Promise<void>): Promise<void> {
  const { task } = run.start;
  const proofMs = run.proofMs ?? 30_000;
  const giveUpAt = performance.now() + (heard ? (run.windowMs ?? 10_000) : 0);
  const given = impatient.then(() => 'impatient' as const);
  for (;;) {
    try {
      const reply = await Promise.race([stopTask(run.client, task, proofMs), given]);
      if (reply === 'impatient') return say(voice.run.impatient(task));
      if (reply.status === 202) return say(`${voice.pending(task)}\n${voice.pendingNext(task)}`);
      if (reply.status >= 300)
        return say(voice.problem(new Refused(reply.status, reply.text, reply.body).problem, 'run'));
      const unproved = unprovedLeases(reply.body);
      return unproved > 0 ? say(voice.unproved(task, unproved)) : undefined;
    } catch (error) {
      if (!(error instanceof AgentUnreachable)) throw error;
      if (performance.now() >= giveUpAt) return say(voice.run.stopUnheard(task, error.code));
      const paused = await Promise.race([new Promise((resolve) => setTimeout(resolve, 200)), given]);
      if (paused === 'impatient') return say(voice.run.impatient(task));
    }
  }
}
