// Owns the promises of the session store port, in memory and on a file.

import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sessionFile } from '../../src/adapters/system/session-file.ts';
import { Secret } from '../../src/domain/secret.ts';
import type { KeptSession, SessionStore } from '../../src/ports/session-store.ts';
import { SimSessionStore } from '../simulation/world/sim-session-store.ts';

let dir = '';
let count = 0;
beforeAll(() => {
  dir = mkdtempSync('/dev/shm/tasklease-test-');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const texts = (sessions: readonly KeptSession[]) =>
  sessions.map(({ accessor, token }) => `${accessor} ${Buffer.from(token.reveal())}`);
const session = (token: string, accessor = 'acc'): KeptSession => ({
  accessor,
  token: new Secret(Buffer.from(token)),
});
const newPath = () => {
  count += 1;
  return join(dir, `session-${count}`);
};

const subjects: readonly (readonly [string, () => SessionStore])[] = [
  ['simulated', () => new SimSessionStore()],
  ['real', () => sessionFile(newPath())],
];

describe.each(subjects)('session store, %s', (_name, open) => {
  test('empty at first', () => {
    expect(open().load()).toEqual([]);
  });

  test('what was saved is loaded, in order, as often as asked', () => {
    const store = open();
    store.save([session('hvs.new', 'acc-2'), session('hvs.old', 'acc-1')]);
    expect(texts(store.load())).toEqual(['acc-2 hvs.new', 'acc-1 hvs.old']);
    expect(texts(store.load())).toEqual(['acc-2 hvs.new', 'acc-1 hvs.old']);
  });

  test('the last save counts, also when it is shorter', () => {
    const store = open();
    store.save([session('hvs.a-much-longer-token'), session('hvs.another')]);
    store.save([session('hvs.two')]);
    expect(texts(store.load())).toEqual(['acc hvs.two']);
  });

  test('disposing of what was saved or loaded does not touch the store', () => {
    const store = open();
    const saved = session('hvs.one');
    store.save([saved]);
    saved.token[Symbol.dispose]();
    store.load()[0]!.token[Symbol.dispose]();
    expect(texts(store.load())).toEqual(['acc hvs.one']);
  });

  test('saved with nothing, it is empty; doing so again is fine', () => {
    const store = open();
    store.save([session('hvs.one')]);
    store.save([]);
    store.save([]);
    expect(store.load()).toEqual([]);
    store.save([session('hvs.two')]);
    expect(texts(store.load())).toEqual(['acc hvs.two']);
  });
});

describe('session store, real', () => {
  test('survives the process that saved it, for the agent alone, and leaves nothing beside it', () => {
    const path = newPath();
    sessionFile(path).save([session('hvs.one')]);
    expect(texts(sessionFile(path).load())).toEqual(['acc hvs.one']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const before = readdirSync(dir);
    sessionFile(path).save([session('hvs.two')]);
    expect(readdirSync(dir)).toEqual(before);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('what an earlier version left, tokens alone, is loaded without accessors', () => {
    const path = newPath();
    writeFileSync(path, 'hvs.one\nhvs.two\n');
    expect(texts(sessionFile(path).load())).toEqual([' hvs.one', ' hvs.two']);
    sessionFile(path).save([session('hvs.one', '')]);
    expect(texts(sessionFile(path).load())).toEqual([' hvs.one']);
  });

  test('half a file is no reason to fail: what is there is loaded', () => {
    const path = newPath();
    writeFileSync(path, '\nacc-1 hvs.one\nacc-2 ');
    expect(texts(sessionFile(path).load())).toEqual(['acc-1 hvs.one']);
    writeFileSync(path, '');
    expect(sessionFile(path).load()).toEqual([]);
  });
});
