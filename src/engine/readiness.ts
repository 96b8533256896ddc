// Owns waiting until a credential works (`ready`). Invariant: it ends by success, at its time limit, or at once when
// the task is stopped; what was being tried stays in memory until then and is told to nobody.

import { formatDuration } from '../domain/duration.ts';
import { type Grant, generationOf } from '../domain/grant.ts';
import type { GrantEvent } from '../domain/grant-event.ts';
import { type Credential, credentialOf, type Probe } from '../domain/probe.ts';
import { Problem } from '../domain/problem.ts';
import type { Clock } from '../ports/clock.ts';
import { NotYet } from '../ports/probes.ts';
import { callerGone, isGone } from './caller-gone.ts';
import type { Luggage } from './effect-runner.ts';
import type { Ports } from './ports.ts';

/** Between attempts: doubled each time up to the second one. A login that fails costs the server something too. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1000;

/** Answers with `probed` or `probeFailed`, never later than the probe's own limit. */
export async function probeUntilReady(
  ports: Ports,
  n: number,
  now: () => Grant,
  luggage: Luggage,
): Promise<GrantEvent> {
  const failed = (problem: Problem): GrantEvent => {
    luggage.deliveries = [];
    return { type: 'probeFailed', n, problem };
  };
  const probe = generationOf(now(), n)?.plan.ready;
  if (probe === undefined) return { type: 'probed', n };
  const { clock } = ports;
  const limit = new AbortController();
  luggage.probing = limit;
  const asked = clock.now().at;
  const cancel = clock.after(probe.timeoutMs, () => limit.abort());
  try {
    const credential = credentialIn(luggage, probe);
    let why = 'has not answered';
    for (
      let pauseMs = FIRST_PAUSE_MS;
      !limit.signal.aborted;
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    ) {
      if (isGone(luggage.caller)) return failed(callerGone());
      const fault = await attempt(ports, probe, credential, limit.signal);
      if (fault === null) return { type: 'probed', n };
      why = fault.message === '' ? why : fault.message;
      await pause(clock, pauseMs, limit.signal);
    }
    return failed(notReady(probe, why));
  } catch (error) {
    return failed(Problem.of(error));
  } finally {
    cancel();
    luggage.probing = null;
    ports.telemetry.phase?.(now().id, 'probe', asked, clock.now().at);
  }
}

function credentialIn({ deliveries }: Luggage, probe: Probe): Credential {
  const delivery = deliveries.find(({ secret }) => secret === probe.secret);
  return delivery === undefined ? {} : credentialOf(probe, delivery.data);
}

/** Null when the server took it. An attempt that does not end by itself is left behind at the limit. */
async function attempt(
  { probes, telemetry }: Ports,
  probe: Probe,
  credential: Credential,
  signal: AbortSignal,
): Promise<NotYet | null> {
  const { promise: over, resolve: end } = Promise.withResolvers<NotYet>();
  const stop = () => end(new NotYet(''));
  signal.addEventListener('abort', stop, { once: true });
  const tried = probes.attempt(probe, credential, signal).then(
    () => null,
    (error: unknown) => {
      if (error instanceof NotYet) return error;
      const name = error instanceof Error ? error.name : typeof error;
      telemetry.log('error', 'a readiness probe failed in an unexpected way', {
        probe: probe.kind,
        error: name,
      });
      return new NotYet(`made the probe fail with an unexpected ${name}`);
    },
  );
  try {
    return await Promise.race([tried, over]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise.finally(cancel);
}

const notReady = ({ kind, address, timeoutMs }: Probe, why: string): Problem =>
  new Problem('NOT_READY', `${kind} ${address} ${why} for ${formatDuration(timeoutMs)}`, {
    hint: 'see that the server is up, reachable from the agent and takes what Vault issues; or give ready.timeout more time',
  });
