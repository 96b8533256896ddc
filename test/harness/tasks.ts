// Owns the two steps of nearly every story: a task is started, a task is stopped. Invariant: an answer that
// is not the good one fails the test with the agent's own words.
import { expect } from 'vitest';
import type { Json, Reply } from './socket-api.ts';
import { until } from './until.ts';
import type { World } from './world.ts';

const said = (reply: Reply): string => `${reply.status} ${reply.text}`;

/** Starts a task and answers the start answer (README, API). */
export const startTask = async (
  world: Pick<World, 'api'>,
  task: string,
  profile: string,
  more: Record<string, unknown> = {},
): Promise<Json> => {
  const reply = await world.api('PUT', `/v1/tasks/${task}`, { profile, ...more });
  expect(reply.status, said(reply)).toBe(201);
  expect(reply.body).toMatchObject({ task, state: 'active', profile, generation: 1 });
  return reply.body;
};

/** Stops a task, waits for the proof and answers the receipt. */
export const stopTask = async (world: Pick<World, 'api'>, task: string): Promise<Json> => {
  const reply = await world.api('DELETE', `/v1/tasks/${task}?wait=60s`);
  expect(reply.status, said(reply)).toBe(200);
  expect(reply.body).toMatchObject({ task, state: 'closed' });
  return reply.body;
};

/** What the agent answers to an extension. */
export const extendTask = (world: Pick<World, 'api'>, task: string, duration: string): Promise<Reply> =>
  world.api('POST', `/v1/tasks/${task}/extend`, { duration });

/** The task as GET shows it. */
export const showTask = async (world: Pick<World, 'api'>, task: string): Promise<Json> =>
  (await world.api('GET', `/v1/tasks/${task}`)).body;

/** The receipt, once there is one. */
export const receiptOf = (world: Pick<World, 'api'>, task: string): Promise<Json> =>
  until(`the receipt of ${task}`, async () => {
    const reply = await world.api('GET', `/v1/tasks/${task}/receipt`);
    return reply.status === 200 && reply.body;
  });

/** Every lease of a receipt was proved revoked. */
export const expectProved = (receipt: Json, leases: number): void => {
  expect(receipt.leases).toHaveLength(leases);
  for (const lease of receipt.leases) {
    expect(lease).toMatchObject({ proof: 'revoked' });
    expect(Date.parse(lease.ended_at)).toBeGreaterThanOrEqual(Date.parse(lease.issued_at));
  }
};

/** Expects a problem document (RFC 9457) with this code, and answers it. */
export const expectProblem = (reply: Reply, status: number, code: string): Json => {
  expect(said(reply)).toContain(`"${code}"`);
  expect(reply.status, said(reply)).toBe(status);
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(reply.body).toMatchObject({
    status,
    code,
    type: expect.any(String),
    title: expect.any(String),
    detail: expect.stringMatching(/\S+ \S+/),
    retryable: expect.any(Boolean),
  });
  return reply.body;
};
