// Owns every call into the C library, with its signature. Invariant: each function here checks the
// result and throws a SystemError with the errno; numbers come from the man pages named beside them.

import koffi from 'koffi';

const libc = koffi.load(null);

const c = {
  getsockopt: libc.func(
    'int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *size)',
  ),
  getsockname: libc.func('int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *size)'),
  fcntl: libc.func('int fcntl(int fd, int command, ...)'),
  syscall: libc.func('long syscall(long number, ...)'),
  clockGettime: libc.func('int clock_gettime(int clock, _Out_ int64_t *time)'),
  flock: libc.func('int flock(int fd, int operation)'),
  prctl: libc.func(
    'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
  ),
  epollCreate: libc.func('int epoll_create1(int flags)'),
  epollCtl: libc.func('int epoll_ctl(int epoll, int operation, int fd, uint8_t *event)'),
  epollWait: libc.func('int epoll_wait(int epoll, _Out_ uint8_t *events, int max, int timeout)'),
  eventfd: libc.func('int eventfd(unsigned int initial, int flags)'),
  poll: libc.func('int poll(_Inout_ uint8_t *fds, unsigned long count, int timeout)'),
};

export class SystemError extends Error {
  readonly errno: number;

  constructor(call: string, errno: number) {
    super(`${call} failed with errno ${errno}`);
    this.name = 'SystemError';
    this.errno = errno;
  }
}

/** errno(3) values that callers tell apart. */
export const EAGAIN = 11;
const EINTR = 4;
const EXHAUSTED: ReadonlySet<number> = new Set([
  12 /* ENOMEM */, 23 /* ENFILE */, 24 /* EMFILE */, 28 /* ENOSPC */,
]);

/** The kernel had no descriptor or memory left: it says nothing about what was asked for. */
export const isExhaustion = (error: unknown): boolean =>
  error instanceof SystemError && EXHAUSTED.has(error.errno);

function check(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, koffi.errno());
  return result;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;

/** Peer credentials of a connected Unix socket: unix(7), SO_PEERCRED. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const value = Buffer.alloc(12);
  const size = [value.length];
  check('getsockopt(SO_PEERCRED)', c.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, size));
  if (size[0] !== value.length) throw new SystemError('getsockopt(SO_PEERCRED)', 0);
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
}

/** Supplementary groups of the peer: unix(7), SO_PEERGROUPS. */
export function peerGroups(fd: number): number[] {
  const value = Buffer.alloc(4 * 1024);
  const size = [value.length];
  check('getsockopt(SO_PEERGROUPS)', c.getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, value, size));
  return Array.from({ length: size[0]! / 4 }, (_, i) => value.readUInt32LE(4 * i));
}

const SO_PEERPIDFD = 77;
const ENOPROTOOPT = 92;

/** The process that connected a Unix socket: unix(7), SO_PEERPIDFD; null on kernels before 6.5. */
export function peerPidfd(fd: number): number | null {
  const value = Buffer.alloc(4);
  if (c.getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, value, [value.length]) === 0) return value.readInt32LE(0);
  const errno = koffi.errno();
  if (errno === ENOPROTOOPT) return null;
  throw new SystemError('getsockopt(SO_PEERPIDFD)', errno);
}

const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const EBADF = 9;
const ENOTSOCK = 88;

/**
 * Where a listening Unix stream socket is bound: getsockname(2), socket(7). '' without a place in the file system;
 * null where the descriptor is anything else.
 */
export function unixListener(fd: number): string | null {
  for (const [option, wanted] of [
    [SO_DOMAIN, AF_UNIX],
    [SO_TYPE, SOCK_STREAM],
    [SO_ACCEPTCONN, 1],
  ] as const) {
    const value = Buffer.alloc(4);
    if (c.getsockopt(fd, SOL_SOCKET, option, value, [value.length]) !== 0) {
      const errno = koffi.errno();
      if (errno === EBADF || errno === ENOTSOCK) return null;
      throw new SystemError('getsockopt', errno);
    }
    if (value.readInt32LE(0) !== wanted) return null;
  }
  // struct sockaddr_un: the family, then the path.
  const address = Buffer.alloc(2 + 108);
  const size = [address.length];
  check('getsockname', c.getsockname(fd, address, size));
  const path = address.subarray(2, size[0]);
  const end = path.indexOf(0);
  return path.subarray(0, end === -1 ? path.length : end).toString();
}

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Keeps a descriptor from programs that this one runs: fcntl(2). */
export const closeOnExec = (fd: number): void => void check('fcntl', c.fcntl(fd, F_SETFD, 'int', FD_CLOEXEC));

const CLOCK_BOOTTIME = 7;
const time = new BigInt64Array(2);

/** Milliseconds since boot, suspend included: clock_gettime(2), CLOCK_BOOTTIME. */
export function bootTimeMs(): number {
  check('clock_gettime', c.clockGettime(CLOCK_BOOTTIME, time));
  return Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1_000_000);
}

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Takes an exclusive lock that ends with the process, flock(2); false when another process holds it. */
export function tryLock(fd: number): boolean {
  if (c.flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const errno = koffi.errno();
  if (errno === EAGAIN) return false;
  throw new SystemError('flock', errno);
}

const PR_SET_DUMPABLE = 4;

/** Hides memory, environment and descriptors from other processes of the same uid, prctl(2). */
export function setUndumpable(): void {
  check('prctl(PR_SET_DUMPABLE)', c.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;

/** A descriptor that is this very process and never a later one of the same pid: pidfd_open(2). */
export const pidfdOpen = (pid: number): number =>
  check('pidfd_open', Number(c.syscall(SYS_PIDFD_OPEN, 'int', pid, 'uint', 0)));

const POLLIN = 1;

/**
 * True once the process has ended, a zombie included: its pidfd is readable, pidfd_open(2). The state letter
 * of /proc/<pid>/stat would not do: it says Z too where only the first thread of a process has ended.
 */
export function pidfdEnded(pidfd: number): boolean {
  const fds = Buffer.alloc(8);
  fds.writeInt32LE(pidfd, 0);
  fds.writeInt16LE(POLLIN, 4);
  let ready: number;
  // EINTR although nothing waits: a signal was on its way (a SIGTERM to the agent), which says nothing of the process.
  do ready = c.poll(fds, 1, 0);
  while (ready < 0 && koffi.errno() === EINTR);
  return check('poll', ready) > 0;
}

/** Sends a signal to this very process; false when it has ended, or the agent may not: pidfd_send_signal(2). */
export const pidfdSignal = (pidfd: number, signal: number): boolean =>
  Number(c.syscall(SYS_PIDFD_SEND_SIGNAL, 'int', pidfd, 'int', signal, 'void *', null, 'uint', 0)) === 0;

const SYS_RENAMEAT2 = process.arch === 'x64' ? 316 : 276;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** Both names change places in one step: renameat2(2), RENAME_EXCHANGE. */
export function renameExchange(a: string, b: string): void {
  const paths = ['int', AT_FDCWD, 'str', a, 'int', AT_FDCWD, 'str', b];
  check('renameat2', Number(c.syscall(SYS_RENAMEAT2, ...paths, 'uint', RENAME_EXCHANGE)));
}

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
/** What a descriptor is watched for: pidfds are readable at the end, kernfs files have news (cgroups(7)). */
export const EPOLLIN = 1;
export const EPOLLPRI = 2;
// struct epoll_event is packed on x86-64 only (epoll_ctl(2), sys/epoll.h).
const EVENT_SIZE = process.arch === 'x64' ? 12 : 16;
const DATA_OFFSET = process.arch === 'x64' ? 4 : 8;
const MAX_EVENTS = 256;

export const epollCreate = (): number => check('epoll_create1', c.epollCreate(EPOLL_CLOEXEC));
export const eventfd = (): number => check('eventfd', c.eventfd(0, EPOLL_CLOEXEC));

/** `tag` (32 bits) comes back from epollWait: a descriptor's number may be given out again, a tag is not. */
export function epollAdd(epoll: number, fd: number, tag: number, events = EPOLLIN): void {
  const event = Buffer.alloc(EVENT_SIZE);
  event.writeUInt32LE(events, 0);
  event.writeUInt32LE(tag, DATA_OFFSET);
  check('epoll_ctl', c.epollCtl(epoll, EPOLL_CTL_ADD, fd, event));
}

export function epollRemove(epoll: number, fd: number): void {
  check('epoll_ctl', c.epollCtl(epoll, EPOLL_CTL_DEL, fd, Buffer.alloc(EVENT_SIZE)));
}

/** Waits on a thread of libuv's pool until descriptors are readable; resolves with their tags. */
export function epollWait(epoll: number): Promise<number[]> {
  const events = Buffer.alloc(EVENT_SIZE * MAX_EVENTS);
  return new Promise((resolve, reject) => {
    c.epollWait.async(epoll, events, MAX_EVENTS, -1, (error: Error | null, count: number) => {
      if (error !== null) return reject(error);
      // A negative count is EINTR: nothing is ready, wait again.
      resolve(
        Array.from({ length: Math.max(0, count) }, (_, i) =>
          events.readUInt32LE(EVENT_SIZE * i + DATA_OFFSET),
        ),
      );
    });
  });
}
