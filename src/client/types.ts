// Owns what the client shows of the agent's API (README, API), as types only. Invariant: they say what the agent
// sends, neither more nor less; a test holds them to the agent's own types.

/** What a start asks for. Only `profile` is needed; the profile decides what is allowed. */
export interface StartOptions {
  readonly profile: string;
  readonly params?: Readonly<Record<string, string>> | undefined;
  /** The business event that this task belongs to, such as a pull request or a tool call. */
  readonly event?: BusinessEvent | undefined;
  /** Such as `90s`, `15m` or `1h30m`. */
  readonly duration?: string | undefined;
  /** Stands for `duration`. */
  readonly deadline?: Date | string | undefined;
  /** The task of the same caller that this one is a child of. */
  readonly parent?: string | undefined;
  /** The JWT that an orchestrator signed for this one task, where the profile asks for one. Good for one start. */
  readonly assertion?: string | undefined;
  /** The trace that it is part of (W3C Trace Context). One that is not valid is ignored. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  /** The task's id; by default one that nobody else has. */
  readonly task?: string | undefined;
  /**
   * What ends the task by its own end. By default this process, or this connection where the agent cannot see our
   * process ids, as in another container; null binds nothing: then only a stop or the deadline ends it.
   */
  readonly bind?:
    | { readonly pid: number }
    | { readonly cgroup: string }
    | { readonly connection: true }
    | null
    | undefined;
  /** Calls the start off; what had begun of it is stopped. */
  readonly signal?: AbortSignal | undefined;
}

/** For every call that may be called off. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface BusinessEvent {
  readonly type: string;
  readonly id: string;
}

/** Instants are RFC 3339. */
export interface TaskStatus {
  readonly task: string;
  readonly state: 'pending_approval' | 'starting' | 'active' | 'degraded' | 'stopping' | 'closed';
  readonly profile: string;
  /** Null while there are no files. */
  readonly dir: string | null;
  readonly files: readonly string[];
  readonly generation: number;
  /** The generation that brought what the files show: another number once there is something new to read. */
  readonly files_since: number;
  readonly started_at: string;
  /** Start and asked duration; the deadline is this and the profile's grace. */
  readonly expires_at: string;
  readonly deadline: string;
  readonly event: BusinessEvent | null;
  readonly parent: string | null;
  readonly outcome?: string;
  /** Where its profile needs approvals: what is asked, and what was said so far. */
  readonly approval?: {
    readonly digest: string;
    readonly approve_by: string;
    readonly given: readonly {
      readonly uid: number | null;
      readonly signer?: string;
      readonly at: string;
      readonly reason: string | null;
    }[];
    readonly scope: Readonly<Record<string, unknown>>;
  };
  /** Why it is degraded, or why its revocation is still pending. */
  readonly reason?: { readonly code: string; readonly detail: string };
  readonly leases: readonly {
    readonly secret: string;
    readonly expires_at: string | null;
    readonly renewable: boolean;
    readonly revocable: boolean;
  }[];
}

export type Outcome = 'completed' | 'expired' | 'lost' | 'refused' | 'revoked' | 'failed';

/** What is on record of a task that is over. */
export interface Receipt {
  readonly task: string;
  readonly profile: string;
  readonly state: 'closed';
  readonly outcome: Outcome;
  readonly event: BusinessEvent | null;
  readonly started_at: string;
  readonly closed_at: string;
  readonly exposure_seconds: number;
  /** Where its profile needed approvals. */
  readonly approval?: {
    readonly digest: string;
    readonly given: readonly {
      readonly uid: number | null;
      readonly signer?: string;
      readonly at: string;
      readonly reason: string | null;
    }[];
    readonly denied: {
      readonly uid: number | null;
      readonly at: string;
      readonly reason: string | null;
    } | null;
  };
  readonly leases: readonly {
    readonly secret: string;
    readonly path: string;
    readonly issued_at: string;
    readonly ended_at: string | null;
    readonly proof: 'revoked' | 'unproved' | 'expires';
    readonly ends_at: string | null;
    /** Where the engine is mounted, and the lease's id as an HMAC with the agent's key. */
    readonly engine?: string;
    readonly lease?: string | null;
  }[];
  /** One life of the task id. This and what follows is there when the agent keeps a ledger. */
  readonly grant?: string;
  /** `sha256:` of the profile's file at the start. */
  readonly profile_version?: string | null;
  readonly caller?: {
    readonly uid: number;
    readonly gid: number;
    readonly admin: boolean;
    readonly pid: number | null;
    readonly exe: string | null;
    readonly cgroup: string | null;
    readonly container: string | null;
  };
  readonly parent?: string | null;
  readonly files?: { readonly written: readonly string[]; readonly erased_at: string | null };
  /** Where it stands in the ledger. */
  readonly ledger?: { readonly id: string; readonly seq: number; readonly prev: string };
  /** All of the above, signed (JWS, EdDSA): `tasklease audit keys` prints the keys to verify it with. */
  readonly jws?: string;
}

/** One fact of a task's life, such as `delivery.published`, `leases.renewed` or `grant.closed`. */
export interface TaskEvent {
  /** Counts the facts of one stream. */
  readonly seq: number;
  readonly at: string;
  readonly task: string;
  readonly type: string;
  readonly [detail: string]: unknown;
}

/** A started task. Leaving its scope (`await using`) stops it, also when the scope throws. */
export interface Task extends AsyncDisposable {
  readonly id: string;
  readonly profile: string;
  /** Where the files are. It stays the same over rotations, what is in it does not: read a file when it is needed. */
  readonly dir: string;
  /** When the task ends by itself; as far as is known here. */
  readonly deadline: Date;
  /** Aborts when the task is over, whoever ended it; the reason is a TaskleaseError TASK_OVER. */
  readonly signal: AbortSignal;
  /** The absolute path of a file, for programs that read it themselves. */
  path(file: string): string;
  /** The text of a file, as it is now. */
  read(file: string, options?: CallOptions): Promise<string>;
  status(options?: CallOptions): Promise<TaskStatus>;
  /** Moves the deadline later by a duration such as `10m`, and answers it. The profile must allow it. */
  extend(duration: string, options?: CallOptions): Promise<Date>;
  /** What happens to the task from now on, until it is closed. Goes on over a restart of the agent. */
  events(options?: CallOptions): AsyncGenerator<TaskEvent, void, undefined>;
  /**
   * Takes the files away, waits until it is proved that every lease is gone, and answers the receipt. That takes as
   * long as Vault is away; `signal` ends the waiting, not the revocation. A second stop answers the same.
   */
  stop(options?: CallOptions): Promise<Receipt>;
}

export interface Client {
  /** Where the agent listens. */
  readonly socket: string;
  /** Starts a task; answers when its files are there, which may take an approval. @throws TaskleaseError */
  start(options: StartOptions): Promise<Task>;
}
