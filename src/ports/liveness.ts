// The port to processes: whether one that a task is bound to still lives.

export interface Watch {
  close(): void;
}

export interface Liveness {
  /**
   * Pins the process (pidfd_open(2)) and calls back once when it ends, kill -9 included.
   * @param ownedBy uid that must own the process; null for any
   * @throws Problem SIGNAL_INVALID when there is no such process or it belongs to someone else
   */
  watch(pid: number, ownedBy: number | null, gone: () => void): Watch;
}
