// Owns the promises of the session store port, in memory and on a file.

import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sessionFile } from '../../src/adapters/system/session-file.ts';
import { Secret } from '../../src/domain/secret.ts';
import type { SessionStore } from '../../src/ports/session-store.ts';
import { SimSessionStore } from '../simulation/world/sim-session-store.ts';

let dir = '';
let count = 0;
beforeAll(() => {
  dir = mkdtempSync('/dev/shm/tasklease-test-');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const texts = (secrets: readonly Secret[]) =>
  secrets.map((secret) => Buffer.from(secret.reveal()).toString());
const token = (value: string) => new Secret(Buffer.from(value));
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
    store.save([token('hvs.new'), token('hvs.old')]);
    expect(texts(store.load())).toEqual(['hvs.new', 'hvs.old']);
    expect(texts(store.load())).toEqual(['hvs.new', 'hvs.old']);
  });

  test('the last save counts, also when it is shorter', () => {
    const store = open();
    store.save([token('hvs.a-much-longer-token'), token('hvs.another')]);
    store.save([token('hvs.two')]);
    expect(texts(store.load())).toEqual(['hvs.two']);
  });

  test('disposing of what was saved or loaded does not touch the store', () => {
    const store = open();
    const saved = token('hvs.one');
    store.save([saved]);
    saved[Symbol.dispose]();
    store.load()[0]![Symbol.dispose]();
    expect(texts(store.load())).toEqual(['hvs.one']);
  });

  test('saved with nothing, it is empty; doing so again is fine', () => {
    const store = open();
    store.save([token('hvs.one')]);
    store.save([]);
    store.save([]);
    expect(store.load()).toEqual([]);
    store.save([token('hvs.two')]);
    expect(texts(store.load())).toEqual(['hvs.two']);
  });
});

describe('session store, real', () => {
  test('survives the process that saved it, for the agent alone, and leaves nothing beside it', () => {
    const path = newPath();
    sessionFile(path).save([token('hvs.one')]);
    expect(texts(sessionFile(path).load())).toEqual(['hvs.one']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const before = readdirSync(dir);
    sessionFile(path).save([token('hvs.two')]);
    expect(readdirSync(dir)).toEqual(before);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});
