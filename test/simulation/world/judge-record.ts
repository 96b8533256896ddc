// Owns the judgement of the ledger at the end of a world: the chain verifies, it says of every fact exactly once what it
// is, each record has the shape that readers rely on, and nothing in it is a secret or an id in clear.

import { sha256, verifyJws } from '../../../src/adapters/ledger/jws.ts';
import { recordIn } from '../../../src/audit/read.ts';
import { verify } from '../../../src/audit/verify.ts';
import { CANARY } from './scenery.ts';
import { SIM_KEYS } from './sim-ledger.ts';
import type { World } from './world.ts';

export async function judgeRecord(world: World): Promise<void> {
  const { lines } = world.disk.ledger;
  const { fault } = await verify(placed(lines), { sha256, verifyJws, trusted: SIM_KEYS, complete: true });
  if (fault !== null) return world.blame(`the ledger does not verify: ${fault.sentence}`);
  const records = lines.map((line, i) => recordIn(line, i + 1));
  const told = records.flatMap(({ grant, type }) => (grant === null ? [] : [`${grant} ${type}`]));
  const other = world.disk.told.findIndex((fact, i) => told[i] !== fact);
  if (other !== -1 || told.length !== world.disk.told.length) {
    return world.blame(`fact ${other} is not on record: ${world.disk.told[other]} is ${told[other]}`);
  }
  const text = lines.join('\n');
  const clear = [...world.ledger.byAccessor.keys(), ...world.ledger.byLease.keys(), CANARY];
  const found = clear.find((word) => text.includes(word));
  if (found !== undefined) world.blame(`${found} is in the ledger in clear`);
}

async function* placed(lines: readonly string[]) {
  for (const [i, text] of lines.entries()) yield { text, file: 'ledger', line: i + 1, whole: true };
}
