// The port to processes and cgroups: whether what a task is bound to still lives, and how to reach it.

/** What the kernel can tell the end of. */
export type Subject = { readonly pid: number } | { readonly cgroup: string };

export interface Watch {
  /**
   * What tells this subject from a later one of the same name: the process's start time, the cgroup's inode.
   * Journaled, so that the next agent takes over the very same one or none.
   */
  readonly identity: string;
  /**
   * Sends a signal such as `SIGHUP` to the watched process by its pidfd (pidfd_send_signal(2)), never to a
   * recycled pid. False when it has ended, or for a cgroup, which has no one process to tell.
   */
  signal(name: string): boolean;
  close(): void;
}

/** On whose word a subject may be bound; null for the admin socket and for the agent itself. */
export interface Binder {
  readonly uid: number;
  /** Pid of the caller in this pid namespace, never 0. */
  readonly pid: number;
}

export interface Liveness {
  /**
   * Pins the subject and calls back once when it ends: the process is gone (pidfd_open(2)), kill -9 included,
   * or the cgroup has no process left or is removed (cgroups(7), cgroup.events).
   * @param identity set when an earlier watch is taken over: must be the very same subject
   * @throws Problem SIGNAL_INVALID when there is no such subject, it is another one than `identity` says, or
   * it is not the binder's: a process of another uid, a cgroup that the binder neither lives in nor owns
   */
  watch(subject: Subject, by: Binder | null, gone: () => void, identity?: string): Watch;
}
