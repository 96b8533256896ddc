// Owns what a resident process costs before its first task: the time from exec to its first answer, and the memory
// that it settles to when it has nothing to do.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from '../../src/dev/children.ts';
import { call } from '../harness/socket-api.ts';
import { pause } from '../harness/until.ts';
import type { World } from '../harness/world.ts';
import { memoryMb, percentile } from './measure.ts';

export interface Beginning {
  readonly name: string;
  /** What counts as its first answer. */
  readonly answer: string;
  readonly firstAnswerMs: number;
  readonly rssMb: number;
  readonly anonymousMb: number;
}

export interface Resident {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Its first answer: this file. */
  readonly file: string;
}

const ROUNDS = 5;
/** Idle is what it settles to, not the moment after the start. */
const SETTLE_MS = 1500;
const POLL_MS = 2;

async function untilAnswered(what: string, probe: () => Promise<boolean> | boolean): Promise<void> {
  const giveUpAt = performance.now() + 30_000;
  while (!(await probe())) {
    if (performance.now() > giveUpAt) throw new Error(`${what} gave no answer within 30 s`);
    await pause(POLL_MS);
  }
}

type Sample = { firstAnswerMs: number; rss: number; anonymous: number };

const settled = (name: string, answer: string, samples: readonly Sample[]): Beginning => {
  const middle = (key: keyof Sample): number =>
    percentile(
      samples.map((sample) => sample[key]),
      0.5,
    );
  return {
    name,
    answer,
    firstAnswerMs: middle('firstAnswerMs'),
    rssMb: middle('rss'),
    anonymousMb: middle('anonymous'),
  };
};

/** Starts and ends the agent some times, and leaves it running. */
export async function beginningOfTheAgent(world: World): Promise<Beginning> {
  const samples: Sample[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    if (world.agent.running) await world.agent.term();
    const startedAt = performance.now();
    await world.agent.launch();
    await untilAnswered('the agent', async () => {
      if (!existsSync(world.paths.socket)) return false;
      const reply = await call(world.paths.socket, 'GET', '/v1/health').catch(() => null);
      return reply?.status === 200;
    });
    const firstAnswerMs = performance.now() - startedAt;
    await world.agent.ready();
    await pause(SETTLE_MS);
    samples.push({ firstAnswerMs, ...memoryMb(world.agent.pid) });
  }
  return settled('tasklease agent', 'GET /v1/health is 200', samples);
}

/** Another tool that stays: its first answer is its first file. */
export async function beginningOf(world: World, resident: Resident): Promise<Beginning> {
  const startedAt = performance.now();
  const child = await launch(resident.command, [...resident.args], {
    env: resident.env,
    logPath: join(world.paths.scratch, 'residents.log'),
  });
  try {
    await untilAnswered(resident.name, () => existsSync(resident.file));
    const firstAnswerMs = performance.now() - startedAt;
    await pause(SETTLE_MS);
    return settled(resident.name, 'its file is there', [{ firstAnswerMs, ...memoryMb(child.pid) }]);
  } finally {
    await child.end('SIGTERM', 5000);
  }
}
