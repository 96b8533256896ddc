// Owns who gets a place on a socket: one uid half of them, the next one again once a connection is closed.

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import { Places } from '../../../src/server/places.ts';
import { caller } from '../domain/samples.ts';

class Line extends EventEmitter {
  readonly uid: number;
  destroyed = false;
  constructor(uid: number) {
    super();
    this.uid = uid;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}
const open = (places: Places, uid: number) => {
  const line = new Line(uid);
  return { line, socket: line as unknown as Socket, admitted: places.admit(line as unknown as Socket) };
};
const places = () => new Places(2, (socket) => caller({ uid: (socket as unknown as Line).uid }));

test('a uid that has its places is hung up on; another uid is not; one that closes makes room', () => {
  const all = places();
  const [first, second, third] = [open(all, 7), open(all, 7), open(all, 7)];
  expect([first, second, third].map(({ admitted }) => admitted)).toEqual([true, true, false]);
  expect(third!.line.destroyed).toBe(true);
  expect(open(all, 8).admitted).toBe(true);
  first!.line.destroy();
  expect(open(all, 7).admitted).toBe(true);
  expect(open(all, 7).admitted).toBe(false);
});

test('a caller that the kernel did not name is let in to hear why it is refused', () => {
  const all = new Places(2, () => {
    throw new Problem('IDENTITY_REJECTED', 'the kernel did not say who is calling');
  });
  const { socket, admitted } = open(all, 7);
  expect(admitted).toBe(true);
  expect(() => all.caller(socket)).toThrow(/kernel did not say/);
  expect(() => places().caller(socket)).toThrow(/not known/);
});
