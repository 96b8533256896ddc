// Owns the login at Redis: AUTH by name (ACL users), the database, and a word that needs no rights but to be there.

import { NotYet } from '../../ports/probes.ts';
import { type Attempt, over, type Wire } from './wire.ts';

export const redis: Attempt = (probe, target, signal, { username, password = '' }) =>
  over(target, signal, async (wire) => {
    if (probe.tls) await wire.secure(probe, target);
    await ask(wire, username === undefined ? ['AUTH', password] : ['AUTH', username, password]);
    if (target.name !== '') await ask(wire, ['SELECT', target.name], true);
    // An ACL user that may not even PING is known all the same.
    await ask(wire, ['PING'], true);
  });

async function ask(wire: Wire, words: readonly string[], mayBeDenied = false): Promise<void> {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  wire.write(Buffer.from(`*${words.length}\r\n${parts.join('')}`));
  const answer = await wire.line();
  if (answer.startsWith('+')) return;
  if (!answer.startsWith('-')) throw new NotYet('answers in another protocol');
  // The first word is the kind of error; what follows may repeat what was asked.
  const kind = /^-([A-Z]+)/.exec(answer)?.[1] ?? 'ERR';
  if (mayBeDenied && kind === 'NOPERM') return;
  throw new NotYet(MEANINGS[kind] ?? `refuses with ${kind}`);
}

const MEANINGS: Readonly<Record<string, string>> = {
  WRONGPASS: 'refuses the credential',
  NOAUTH: 'refuses the credential',
  LOADING: 'is still loading its data',
  MASTERDOWN: 'has lost its master',
};
