// Owns the catalogue of everything that can go wrong, as users see it (RFC 9457). Invariant: a code has
// one status and one title for ever; the detail says what happened this time and never holds a secret.

export const CATALOGUE = {
  SIGNAL_INVALID: { status: 400, title: 'The request is not valid' },
  IDENTITY_REJECTED: { status: 401, title: 'The caller could not be identified' },
  PROFILE_DENIED: { status: 403, title: 'The caller may not start this profile' },
  APPROVAL_DENIED: { status: 403, title: 'The approval was denied' },
  ADMIN_ONLY: { status: 403, title: 'This call is for the admin socket' },
  PROFILE_UNKNOWN: { status: 404, title: 'There is no such profile' },
  TASK_UNKNOWN: { status: 404, title: 'There is no such task' },
  NOT_FOUND: { status: 404, title: 'There is no such call' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The call does not take this method' },
  NOT_CLOSED: { status: 409, title: 'The task is not closed' },
  TASK_CONFLICT: { status: 409, title: 'The task id is taken by another start' },
  TASK_SPENT: { status: 409, title: 'The task id has been used' },
  CAPACITY: { status: 429, title: 'A limit is reached' },
  VAULT_DENIED: { status: 502, title: 'Vault refused' },
  VAULT_CONTRACT: { status: 502, title: 'Vault answered something that must not be relied on' },
  VAULT_UNREACHABLE: { status: 503, title: 'Vault cannot be reached' },
  VAULT_SEALED: { status: 503, title: 'Vault is sealed' },
  TMPFS_UNSAFE: { status: 500, title: 'The secrets directory is not safe' },
  DELIVERY_FAILED: { status: 500, title: 'The files could not be delivered' },
  NOT_READY: { status: 504, title: 'The credential did not become usable in time' },
  JOURNAL_UNWRITABLE: { status: 503, title: 'The journal cannot be written' },
  DRAINING: { status: 503, title: 'The agent takes no new tasks' },
  INTERNAL: { status: 500, title: 'The agent failed' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof CATALOGUE;

/** Codes whose cause passes by itself: the same request may succeed later. */
const RETRYABLE: ReadonlySet<ProblemCode> = new Set([
  'CAPACITY',
  'VAULT_UNREACHABLE',
  'VAULT_SEALED',
  'NOT_READY',
  'JOURNAL_UNWRITABLE',
  'DRAINING',
]);

export interface ProblemOptions {
  /** What to do next, in one sentence. */
  readonly hint?: string;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  /** Only where the contract gives a code a second status (413 for an oversized body). */
  readonly status?: number;
  readonly cause?: unknown;
}

/** A problem as it goes over the wire and into facts: no cause, no stack. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly hint?: string;
  readonly retryable: boolean;
  /** When to try again, where somebody said so; also the header Retry-After. */
  readonly retry_after_ms?: number;
}

export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'Problem';
    this.code = code;
    this.status = options.status ?? CATALOGUE[code].status;
    this.hint = options.hint;
    this.retryable = options.retryable ?? RETRYABLE.has(code);
    this.retryAfterMs = options.retryAfterMs;
  }

  body(): ProblemBody {
    return {
      type: `urn:tasklease:problem:${this.code}`,
      title: CATALOGUE[this.code].title,
      status: this.status,
      detail: this.message,
      code: this.code,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      retryable: this.retryable,
      ...(this.retryAfterMs === undefined ? {} : { retry_after_ms: this.retryAfterMs }),
    };
  }

  static from(body: ProblemBody): Problem {
    return new Problem(body.code, body.detail, {
      status: body.status,
      retryable: body.retryable,
      ...(body.hint === undefined ? {} : { hint: body.hint }),
      ...(body.retry_after_ms === undefined ? {} : { retryAfterMs: body.retry_after_ms }),
    });
  }

  /** Any thrown value as a Problem; what nobody foresaw is INTERNAL and says no more than its name. */
  static of(error: unknown): Problem {
    if (error instanceof Problem) return error;
    const name = error instanceof Error ? error.name : typeof error;
    return new Problem('INTERNAL', `an unexpected ${name} inside the agent`, {
      cause: error,
      hint: 'look at the agent log for the time of this answer and report it',
    });
  }
}
