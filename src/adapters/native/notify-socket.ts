// Owns the sending of datagrams to a Unix socket, which Node cannot: unix(7), sendto(2). Invariant: it never waits.

import koffi from 'koffi';

const libc = koffi.load(null);
const socket = libc.func('int socket(int domain, int type, int protocol)');
const sendto = libc.func(
  'long sendto(int fd, uint8_t *message, size_t size, int flags, uint8_t *address, uint32_t length)',
);
const close = libc.func('int close(int fd)');

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** sun_path in struct sockaddr_un. */
const PATH_MAX = 108;

export interface NotifySocket {
  /** False when it did not arrive; there is nothing to be done about it. */
  send(message: Buffer): boolean;
  close(): void;
}

/** @throws Error when the address is too long or there is no socket to be had */
export function openNotifySocket(address: string): NotifySocket {
  const name = Buffer.from(address);
  // An abstract name begins with a zero byte and is as long as it is; a path ends with one.
  if (name[0] === 0x40) name[0] = 0;
  else if (name.length >= PATH_MAX) throw new Error('the address is too long');
  const path = name[0] === 0 ? name : Buffer.concat([name, Buffer.alloc(1)]);
  if (path.length > PATH_MAX) throw new Error('the address is too long');
  const to = Buffer.alloc(2 + path.length);
  to.writeUInt16LE(AF_UNIX, 0);
  path.copy(to, 2);
  const fd: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error('there is no socket to be had');
  return {
    send: (message) =>
      Number(sendto(fd, message, message.length, MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length)) ===
      message.length,
    close: () => void close(fd),
  };
}
