// Owns doctor's look at the host: swap, core dumps, what the kernel can do.

import { closeSync, constants, openSync } from 'node:fs';
import { inspectDirectory } from '../../adapters/files/inspect.ts';
import {
  coreLimit,
  corePattern,
  hasCgroup2,
  hasPidfd,
  kernelAtLeast,
  mountOf,
  swaps,
} from '../../adapters/system/look.ts';
import { error, type Finding, info, ok, warning } from './finding.ts';
import type { Subject } from './subject.ts';

export const host = (subject: Subject): Finding[] => [
  swap(subject),
  coreDumps(),
  hasPidfd()
    ? ok('kernel.pidfd', 'the kernel has pidfd: a bound process is held by itself, not by its number')
    : error(
        'kernel.pidfd',
        'the kernel has no pidfd_open (Linux 5.3)',
        'the agent cannot hold on to the processes that tasks are bound to',
        'run it on Linux 5.3 or newer; 6.5 is better',
      ),
  kernelAtLeast(6, 5)
    ? ok('kernel.peerpidfd', 'the kernel names the process at the other end of a socket (SO_PEERPIDFD)')
    : info(
        'kernel.peerpidfd',
        'the kernel has no SO_PEERPIDFD (Linux 6.5)',
        'callers are held by their number and rechecked instead',
        'nothing has to be done; a newer kernel closes the gap',
      ),
  hasCgroup2()
    ? ok('kernel.cgroup', 'cgroup v2 is at /sys/fs/cgroup')
    : warning(
        'kernel.cgroup',
        'there is no cgroup v2 at /sys/fs/cgroup',
        'tasks cannot be bound to a cgroup, and allow.where.cgroup matches nobody',
        'boot with systemd.unified_cgroup_hierarchy=1, or mount it into the container',
      ),
  unnamedFiles(subject),
];

function swap({ settings: { config } }: Subject): Finding {
  const used = swaps();
  if (used.length === 0) return ok('swap', 'no swap is on');
  const exposed = [config.secrets_dir, config.runtime_dir].filter(
    (path) => !(mountOf(path)?.options.includes('noswap') ?? false),
  );
  if (exposed.length === 0)
    return ok('swap', 'swap is on, and the directories with secrets are mounted with noswap');
  return warning(
    'swap',
    `${exposed.join(' and ')} can be swapped out to ${used.join(', ')}`,
    'a secret that was swapped out stays on that device after its task',
    `mount -t tmpfs -o size=16m,mode=0711,noswap tmpfs ${exposed[0]} (Linux 6.4), or swapoff, or encrypt the swap`,
  );
}

function coreDumps(): Finding {
  const pattern = corePattern();
  const limit = coreLimit();
  const agent = 'the agent never dumps core (PR_SET_DUMPABLE)';
  if (!pattern.startsWith('|') && limit === '0')
    return ok('core-dumps', `${agent}; programs here may not either (ulimit -c 0)`);
  return info(
    'core-dumps',
    `${agent}; a workload that crashes may: core_pattern is ${JSON.stringify(pattern)}`,
    'what a workload has read of its secret would be in the core file',
    'give workloads LimitCORE=0 (ulimit -c 0), or keep no cores (Storage=none in coredump.conf)',
  );
}

/** O_TMPFILE has no name and is gone with its descriptor: the look leaves nothing. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

function unnamedFiles({ settings: { config }, uid }: Subject): Finding {
  const { nearest } = inspectDirectory(config.secrets_dir, uid, 'volume');
  try {
    closeSync(openSync(nearest, O_TMPFILE | constants.O_RDWR, 0o600));
    return ok('kernel.tmpfile', `files without a name can be made in ${nearest} (O_TMPFILE)`);
  } catch (failure) {
    const { code = 'unknown' } = failure as NodeJS.ErrnoException;
    const denied = code === 'EACCES' || code === 'EPERM';
    return info(
      'kernel.tmpfile',
      denied
        ? `whether ${nearest} takes files without a name was not seen (${code})`
        : `${nearest} takes no files without a name (${code})`,
      'the agent writes under hidden names and renames, and sweeps what a crash left',
      denied ? "run doctor as the agent's user, or as root" : 'nothing has to be done',
    );
  }
}
