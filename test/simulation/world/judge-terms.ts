// Owns the judgement of what a task is given and of what becomes of it where no lease tells: files hold what was issued
// for their generation, a followed value the one that counts; what cannot be revoked is never called revoked, and not
// given to whom asks for what can be; whoever is told of a lease or serial puts it on record.

import type { Entry, ReceiptLease } from '../../../src/domain/fact.ts';
import type { Delivery, Publication } from '../../../src/ports/files.ts';
import type { IssuedSecret } from '../../../src/ports/vault.ts';
import type { LedgerGeneration, LedgerGrant } from './ledger.ts';
import type { Life } from './life.ts';
import type { World } from './world.ts';

const WELL_MS = 2000;
/** Vault is asked a second after it was to rotate; reading and writing takes its time. */
const FOLLOWED_MS = 4000;
const AGAIN_WELL_MS = 35_000;
const SETTLED_MS = 45_000;
/** From the decision to the files. */
const HANDED_MS = 1000;
/** What would only be followed at the end of the task is not. */
const LAST_MS = 2600;

/** A value that changes, as a task's files show it. */
interface Followed {
  readonly path: string;
  readonly secret: string;
  readonly n: number;
  /** Vault was to replace it at that moment, and had not yet. */
  readonly due: boolean;
}

export class TermsJudge {
  readonly #world: World;
  /** Leases and serials that some agent was told of, until they are on record. */
  readonly #told = new Map<string, { readonly life: Life; readonly at: number }>();
  /** By task and generation. */
  readonly #followed = new Map<string, ReadonlyMap<number, readonly Followed[]>>();

  constructor(world: World) {
    this.#world = world;
  }

  onTold(life: Life, { leaseId }: IssuedSecret): void {
    if (leaseId !== null) this.#told.set(leaseId, { life, at: this.#world.at });
  }

  onDeath(): void {
    this.#told.clear();
  }

  onPublish(
    { task, n, deliveries }: Pick<Publication, 'task' | 'n' | 'deliveries'>,
    grant: LedgerGrant,
    generation: LedgerGeneration,
  ): void {
    const world = this.#world;
    if (world.terms.impossible(grant.asks)) world.blame(`${task} is given what cannot be revoked`);
    for (const { secret, data } of deliveries) {
      const id = issuedAs(data);
      if (id === null) continue;
      this.#judgeEnd(`${task} generation ${n}`, secret, id, grant);
      // What hangs under nothing is known by its token alone.
      if (generation.leases.has(id) || world.model.issuers.get(id) === generation.accessor) continue;
      world.blame(`${task} generation ${n} is published with ${secret} of another generation: ${id}`);
    }
    const values = deliveries.flatMap((delivery) => this.#turning(grant, delivery));
    const all = this.#followed.get(task) ?? new Map<number, readonly Followed[]>();
    const inUse = [...grant.generations.values()].findLast(({ publishedAt }) => publishedAt !== null);
    for (const { secret, n: value, due } of values) {
      const same = all.get(inUse?.n ?? 0)?.some((one) => one.secret === secret && one.n === value) === true;
      if (same && due && generation.why === `the lease of ${secret} comes to its end`)
        world.blame(`${task} generation ${n} is published with the ${secret} that it had`);
    }
    if (values.length > 0) this.#followed.set(task, new Map([...all, [n, values]]));
  }

  /** Nobody is given what ran out while the rest was waited for. */
  #judgeEnd(who: string, secret: string, id: string, { deadline }: LedgerGrant): void {
    const world = this.#world;
    const { at, life } = world;
    const ended = world.model.ended.get(id);
    if (ended?.cause !== 'expired' || ended.at >= deadline - LAST_MS) return;
    // An agent that slept in between could not know.
    if (life === null || life.awakeSince > ended.at || at - ended.at <= HANDED_MS) return;
    world.blame(`${who} is published with ${secret}, which ended ${at - ended.at} ms ago: ${id}`);
  }

  #turning(grant: LedgerGrant, { secret, data }: Delivery): readonly Followed[] {
    const path = grant.asks.find((ask) => ask.secret === secret)?.path ?? '';
    return this.#world.terms.turning(path)
      ? [{ path, secret, n: data.number as number, due: data.ttl === 0 }]
      : [];
  }

  /** After every step. */
  look(): void {
    for (const [id, told] of this.#told) this.#judgeTold(id, told);
    const { life, judge } = this.#world;
    if (life === null || !life.up || life.process.frozen || this.#followed.size === 0) return;
    for (const [task, { n }] of judge.shown) {
      for (const value of this.#followed.get(task)?.get(n) ?? []) this.#judgeValue(task, n, value, life);
    }
  }

  #judgeTold(id: string, { life, at }: { readonly life: Life; readonly at: number }): void {
    const world = this.#world;
    if (life.process.dead || world.ledger.byLease.has(id)) return void this.#told.delete(id);
    if (life.process.frozen) return;
    const since = Math.max(at, life.awakeSince, world.calm.since(world.at, ['journal', 'path']));
    if (world.at - since > WELL_MS) world.blame(`${id} was answered and is not on record`);
  }

  /** A file shows the value that counts, but for the time that it takes to follow, or to reach Vault. */
  #judgeValue(task: string, n: number, { path, secret, n: value }: Followed, life: Life): void {
    const world = this.#world;
    const grant = world.ledger.byTask.get(task);
    const outdatedAt = world.model.outdatedAt(path, value);
    if (grant === undefined || outdatedAt === null || grant.stoppingAt !== null) return;
    if (outdatedAt >= grant.deadline - LAST_MS) return;
    const shownAt = world.judge.shown.get(task)!.since;
    const from = Math.max(outdatedAt, shownAt, life.awakeSince);
    const calmSince = world.calm.since(world.at);
    const lateMs =
      calmSince + SETTLED_MS <= from
        ? world.at - from - FOLLOWED_MS - grant.overlapMs
        : world.at - Math.max(from, calmSince) - AGAIN_WELL_MS;
    if (lateMs > 0)
      world.blame(
        `${task} generation ${n} shows a ${secret} that was replaced ${world.at - outdatedAt} ms ago`,
      );
  }
}

/** The receipt of a task says of nothing that it was revoked that nothing can revoke. */
export function judgeReceipt(world: World, { task }: LedgerGrant, leases: readonly ReceiptLease[]): void {
  for (const { path, proof, ends_at: endsAt } of leases) {
    if (!world.terms.lasting(path)) continue;
    if (proof === 'revoked')
      world.blame(`the receipt of ${task} calls ${path} revoked, which nothing can revoke`);
    if (proof === 'expires' && endsAt === null && path.startsWith('pki/'))
      world.blame(`the receipt of ${task} does not say until when ${path} lives`);
  }
}

/** Proofs of single leases, which are no better than the receipt's. */
export function judgeLasting(world: World, { grant: id, fact }: Entry): void {
  const proofs =
    fact.type === 'leases.known' ? fact.gone : fact.type === 'generation.proved' ? fact.leases : [];
  for (const { id: lease, proof } of proofs) {
    if (proof === 'revoked' && world.model.credentials.get(lease)?.lasting === true)
      world.blame(`${lease} of ${id} is called revoked, which nothing can revoke`);
  }
}

/** What a credential says of itself: its lease's id, or mount and serial. */
function issuedAs(data: Readonly<Record<string, unknown>>): string | null {
  if (typeof data.serial_number === 'string') return data.serial_number;
  return typeof data.username === 'string' && data.username.startsWith('v-') ? data.username.slice(2) : null;
}
