// Owns how an approver's word is taken. Invariant: a word is good for what was shown and for nothing else, and is
// answered as good only when it is on record.

import { mayNotApprove } from '../domain/approval.ts';
import { type SignedClaims, whyRejected } from '../domain/assertion.ts';
import type { Grant } from '../domain/grant.ts';
import type { GrantEvent } from '../domain/grant-event.ts';
import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import { Secret } from '../domain/secret.ts';
import { approverOf, signedBy, unfit } from '../domain/signed-approval.ts';
import type { Caller } from '../domain/task-spec.ts';
import { openUntil } from '../domain/window.ts';
import { type Admission, unknownTask } from './admission.ts';
import type { GrantActor } from './grant-actor.ts';
import type { GrantBook } from './grant-book.ts';
import type { Ports } from './ports.ts';
import type { ProfileBook } from './profile-book.ts';
import { drainingProblem } from './start-answer.ts';

/** What somebody says to a start that waits for approval. */
export interface Say {
  readonly approve: boolean;
  /** Where given: of what was shown to whoever says it. */
  readonly digest?: string | undefined;
  readonly reason?: string | undefined;
}

export interface ApprovalsOptions {
  readonly ports: Ports;
  readonly book: GrantBook;
  readonly profiles: ProfileBook;
  readonly admission: Admission;
  /** Why nothing can be leased now; null when it can. */
  readonly unready: () => Problem | null;
  readonly answerWithinMs: number;
}

export class Approvals {
  readonly #options: ApprovalsOptions;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /** Resolves when the word is on record; said twice by the same uid, it counts once. @throws Problem */
  async say(task: TaskId, word: Say | Secret, caller: Caller): Promise<GrantActor> {
    if (word instanceof Secret) return this.#saySigned(task, word, caller);
    const { approve, digest, reason = null } = word;
    const actor = this.#find(task, caller);
    const { approval } = actor.grant;
    if (approval === null) throw nothingWaits(actor.grant);
    if (digest !== undefined && digest !== approval.digest) {
      throw new Problem('TASK_CONFLICT', `digest is not that of what waits for approval as ${task}`, {
        hint: 'look at the request again: GET /v1/tasks/{task} shows it with its digest',
      });
    }
    if (actor.grant.state === 'pending_approval') {
      const problem = await actor.tell(
        approve ? this.#given(actor.grant, caller.uid, reason) : no(caller, reason),
      );
      if (problem !== null) throw problem;
    }
    // Somebody else's word, or the time limit, may have come first.
    const { given, denied } = actor.grant.approval!;
    const said = approve
      ? denied === null && given.some(({ uid }) => uid === caller.uid)
      : denied?.uid === caller.uid;
    if (!said) throw nothingWaits(actor.grant);
    return actor;
  }

  /** As `say`, by whoever may see the task: what counts is who signed it. @throws Problem */
  async #saySigned(task: TaskId, jwt: Secret, caller: Caller): Promise<GrantActor> {
    const actor = this.#find(task, caller);
    const { grant } = actor;
    if (grant.approval === null) throw nothingWaits(grant);
    const signer = await this.#signer(grant, jwt);
    if (actor.grant.state === 'pending_approval') {
      const problem = await actor.tell({ ...this.#given(actor.grant, null, null), signer });
      if (problem !== null) throw problem;
    }
    const { given, denied } = actor.grant.approval!;
    if (denied !== null || !given.some((word) => word.signer === signer)) throw nothingWaits(actor.grant);
    return actor;
  }

  async #signer(grant: Grant, jwt: Secret): Promise<string> {
    const { ports, profiles } = this.#options;
    const keys = profiles.get(grant.profile).approval?.publicKeys ?? [];
    let problem = unfit('its profile takes none', 'list public keys under approval.public_keys');
    for (const key of keys) {
      let signed: SignedClaims;
      try {
        signed = await ports.assertions.verify(signedBy(key), jwt);
      } catch (error) {
        problem = aboutApproval(Problem.of(error));
        continue;
      }
      try {
        return approverOf(signed, grant, ports.clock.now());
      } catch (error) {
        throw aboutApproval(Problem.of(error));
      }
    }
    throw problem;
  }

  #find(task: TaskId, caller: Caller): GrantActor {
    const { book } = this.#options;
    const actor = book.find(task, caller);
    if (actor !== null) return actor;
    if (book.receipt(task, caller) === null) throw unknownTask(task);
    throw nothingWaits({ task, state: 'closed' });
  }

  /** @throws Problem while it may not be approved, or would fail at once: then the request goes on waiting */
  #given(grant: Grant, uid: number | null, reason: string | null): Given {
    const { ports, book, profiles, admission, unready, answerWithinMs } = this.#options;
    const forbidden = uid === null ? null : mayNotApprove(grant, uid);
    const refused = forbidden ?? (admission.draining ? drainingProblem() : unready());
    if (refused !== null) throw refused;
    const end = openUntil(profiles.get(grant.profile), ports.clock.now());
    const parent = grant.parent === null ? undefined : book.get(grant.parent)?.grant;
    return {
      type: 'approvalGiven',
      uid,
      reason,
      notAfter: Math.min(end, parent?.deadline ?? end),
      latestNotAfter: Math.min(end, parent?.latestDeadline ?? end),
      answerWithinMs,
    };
  }
}

type Given = Extract<GrantEvent, { type: 'approvalGiven' }>;

/** The same in the words of an approval: who cannot be believed has approved nothing. */
const aboutApproval = (problem: Problem): Problem => {
  const why = whyRejected(problem);
  return why === null ? problem : unfit(why, 'let an approver sign a new one');
};

const no = ({ uid }: Caller, reason: string | null): GrantEvent => ({ type: 'approvalDenied', uid, reason });

const nothingWaits = ({ task, state }: Pick<Grant, 'task' | 'state'>): Problem =>
  new Problem('SIGNAL_INVALID', `task ${task} is ${state}: nothing of it waits for approval`, {
    hint: 'GET /v1/tasks shows what waits: its state is pending_approval',
  });
