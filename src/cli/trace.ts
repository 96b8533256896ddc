// Owns the trace that `run` and `start` are part of: from the command line or the environment to the agent, and on to
// CMD. Invariant: what is not valid W3C Trace Context is not passed on, and never a reason to fail.

import { traceContext } from '../domain/trace.ts';
import type { Trace } from './client.ts';

/** The option, else TRACEPARENT with its TRACESTATE. */
export function readTrace(option: string | undefined, environment: NodeJS.ProcessEnv = process.env): Trace {
  const trace =
    option === undefined
      ? traceContext(environment.TRACEPARENT, environment.TRACESTATE)
      : traceContext(option);
  if (trace === null) return { headers: {}, answered: null };
  const { parent, state } = trace;
  return {
    headers: { traceparent: parent, ...(state === undefined ? {} : { tracestate: state }) },
    answered: null,
  };
}

/** What CMD gets: the task's own span where the agent traces it, else what was given. */
export function traceOfChild({ headers, answered }: Trace): Readonly<Record<string, string>> {
  const parent = traceContext(answered)?.parent ?? headers.traceparent;
  return parent === undefined ? {} : { TRACEPARENT: parent };
}
