// Owns sockets as a service manager holds them: bound and listening, and nobody accepts. Invariant: made by the very
// system calls, since a server of Node's would take the connections itself.
import { chmodSync, closeSync } from 'node:fs';
import koffi from 'koffi';

const libc = koffi.load(null);
const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t size)');
const listen = libc.func('int listen(int fd, int backlog)');

const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

export type HeldSocket = { readonly fd: number; close(): void };

const checked = (call: string, result: number): number => {
  if (result < 0) throw new Error(`${call} failed with errno ${koffi.errno()}`);
  return result;
};

/** A Unix socket at `path`, with room for 128 connections that nobody has accepted yet. */
export const heldSocket = (
  path: string,
  { mode = 0o600, type = SOCK_STREAM, listening = true } = {},
): HeldSocket => {
  const fd = checked('socket', socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  const address = Buffer.alloc(2 + Buffer.byteLength(path) + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  checked('bind', bind(fd, address, address.length));
  chmodSync(path, mode);
  if (listening) checked('listen', listen(fd, 128));
  return { fd, close: () => closeSync(fd) };
};
