// Owns the one way in which the client fails, but for an abort, which throws the signal's own reason. Invariant:
// `code` is the agent's problem code or one of the client's three; no message carries a secret.

/** The agent's problem codes (README, When something is refused). */
export type ProblemCode =
  | 'SIGNAL_INVALID'
  | 'IDENTITY_REJECTED'
  | 'PROFILE_DENIED'
  | 'APPROVAL_DENIED'
  | 'ADMIN_ONLY'
  | 'PROFILE_UNKNOWN'
  | 'TASK_UNKNOWN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_CLOSED'
  | 'TASK_CONFLICT'
  | 'TASK_SPENT'
  | 'CAPACITY'
  | 'VAULT_DENIED'
  | 'VAULT_CONTRACT'
  | 'VAULT_UNREACHABLE'
  | 'VAULT_SEALED'
  | 'TMPFS_UNSAFE'
  | 'DELIVERY_FAILED'
  | 'NOT_READY'
  | 'JOURNAL_UNWRITABLE'
  | 'DRAINING'
  | 'INTERNAL';

/** The client's own: no agent at the socket, the task has ended, the task has no such file. */
export type ClientCode = 'AGENT_UNREACHABLE' | 'TASK_OVER' | 'FILE_UNKNOWN';

/** What an error says beside its sentence. */
export interface ErrorDetails {
  readonly hint?: string;
  readonly status?: number;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class TaskleaseError extends Error {
  readonly code: ProblemCode | ClientCode;
  /** What happened. */
  readonly detail: string;
  /** What to do next. */
  readonly hint: string | undefined;
  /** The HTTP status of the agent's answer; undefined when there was none. */
  readonly status: number | undefined;
  /** The same call may succeed later. */
  readonly retryable: boolean;
  /** When, where the agent says so. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ProblemCode | ClientCode, detail: string, details: ErrorDetails = {}) {
    const { hint, status, retryable = false, retryAfterMs, cause } = details;
    super(`${code}: ${detail}${hint === undefined ? '' : `; ${hint}`}`, cause === undefined ? {} : { cause });
    this.name = 'TaskleaseError';
    this.code = code;
    this.detail = detail;
    this.hint = hint;
    this.status = status;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}
