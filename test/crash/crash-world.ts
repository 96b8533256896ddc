// Owns the installation that the agent is killed in. Invariant: the process that dies is the built agent with
// the flags of its launcher; one preloaded module is all that is added.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChaosWorld, chaosWorld } from '../chaos/chaos-world.ts';
import type { CrashPlan, CrashPoint } from './crash-plan.ts';

/** Something durable or external that the agent did. */
export type Step = { readonly step: string; readonly nth: number };

/** A chaos world whose agent can be made to write its steps down and to die at one. */
export type CrashWorld = ChaosWorld & {
  /** The environment of an agent that writes its steps down, and dies at `at`. */
  crashable(options: { at?: CrashPoint; armed: boolean }): NodeJS.ProcessEnv;
  /** From now on its steps count. */
  arm(): void;
  /** The steps that counted, in order. */
  steps(): Step[];
  /** Whether the agent died where it was meant to. */
  died(): boolean;
};

const PRELOAD = fileURLToPath(new URL('./kill-at.ts', import.meta.url));

/** No agent runs yet. The caller closes it. */
export const crashWorld = async (): Promise<CrashWorld> => {
  const world = await chaosWorld({ start: false });
  const { scratch } = world.paths;
  const record = join(scratch, 'steps');
  const armedBy = join(scratch, 'armed');
  // The launcher takes the Node that it is told to take, with its own flags behind ours.
  const node = join(scratch, 'node');
  writeFileSync(node, `#!/bin/sh\nexec '${process.execPath}' --import '${PRELOAD}' "$@"\n`, { mode: 0o755 });
  const lines = (): Record<string, unknown>[] =>
    existsSync(record)
      ? readFileSync(record, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line))
      : [];
  return {
    ...world,
    crashable({ at, armed }) {
      rmSync(record, { force: true });
      rmSync(armedBy, { force: true });
      const plan: CrashPlan = {
        record,
        roots: [world.paths.secrets, world.paths.runtime],
        ...(armed ? {} : { armedBy }),
        ...(at === undefined ? {} : { at }),
      };
      return { TASKLEASE_NODE: node, TASKLEASE_CRASH_PLAN: JSON.stringify(plan) };
    },
    arm: () => writeFileSync(armedBy, ''),
    steps: () => lines().filter((line): line is Step => 'step' in line),
    died: () => lines().some((line) => 'died' in line),
  };
};
