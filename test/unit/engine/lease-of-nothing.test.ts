// Owns what becomes of a lease that ends nothing (revoke: none): Vault's lease may be moved, the credential's own end
// may not, so that nobody is told an earlier end than it has.

import { describe, expect, test } from 'vitest';
import { caller } from '../domain/samples.ts';
import { House, taskId, work } from './house.ts';

const me = caller();
const TASK = taskId('a');
const DB = work().secrets[0]!;

/** A task whose lease is an hour long, longer than the task, a while after its start. */
async function aWhileAfter(secret: typeof DB) {
  const house = new House();
  const agent = await house.agent([work({ secrets: [secret] })]);
  const asked: string[] = [];
  house.vault.fault = (verb) => {
    asked.push(verb);
    return null;
  };
  const { leases } = await house.start(agent, TASK);
  await house.clock.advance(10_000);
  const stopped = agent.stop(TASK, me, 5000);
  await house.clock.advance(5000);
  return { issued: leases[0]!, asked, stop: await stopped };
}

describe('a lease that ends nothing', () => {
  test('is not cut to the task: its receipt says when the credential ends, as it was issued', async () => {
    const { issued, asked, stop } = await aWhileAfter({ ...DB, revoke: 'none' });
    expect(asked).not.toContain('renewLease');
    expect(issued).toMatchObject({ revocable: false, renewable: false });
    const ends_at = issued.expires_at;
    expect(stop).toMatchObject({ receipt: { leases: [{ proof: 'expires', ends_at }] } });
  });

  test('is unlike any other, which Vault ends with the task', async () => {
    const { asked, stop } = await aWhileAfter(DB);
    expect(asked).toContain('renewLease');
    expect(stop).toMatchObject({ receipt: { leases: [{ proof: 'revoked' }] } });
  });
});
