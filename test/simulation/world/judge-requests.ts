// Owns the judgement of every request to Vault and every publication, at the moment the engine makes it: what is
// on record by then, what the profile allows, what the task's end allows, what Vault asked for.

import type { Ask } from '../../../src/domain/ask.ts';
import { type Certificate, certificateId } from '../../../src/domain/certificate.ts';
import type { Secret } from '../../../src/domain/secret.ts';
import type { Publication } from '../../../src/ports/files.ts';
import type { TokenRequest } from '../../../src/ports/vault.ts';
import { judgeWithin } from './judge-approvals.ts';
import type { LedgerGrant } from './ledger.ts';
import type { Life } from './life.ts';
import type { World } from './world.ts';

/** A renewal asks for whole seconds. */
const SECOND_MS = 1000;
const MAX_PATIENCE_MS = 60_000;

export class RequestJudge {
  readonly #world: World;
  /** Verb and object → not before. */
  readonly #asked = new Map<string, number>();
  readonly #renewed = new Map<string, number[]>();

  constructor(world: World) {
    this.#world = world;
  }

  onDeath(): void {
    this.#asked.clear();
    this.#renewed.clear();
  }

  /** Vault answered 429: not before that time again. */
  toWait(verb: string, about: string, ms: number): void {
    this.#asked.set(`${verb} ${about}`, this.#world.at + Math.min(ms, MAX_PATIENCE_MS) - 1);
  }

  onCall(life: Life, verb: string, args: readonly unknown[]): void {
    switch (verb) {
      case 'createToken':
        return this.#onCreate(args[1] as TokenRequest);
      case 'readSecret':
        return this.#onRead(args[0] as Secret, args[1] as Ask);
      case 'closeSession':
        return this.#onClose(args[0] as Secret);
      case 'renewLease':
        this.#onRenew(args[1] as string, args[2] as number, life);
        return this.#patient(verb, args[1] as string);
      case 'lookupLease':
        return this.#patient(verb, args[1] as string);
      case 'revokeLease':
        this.#onRevoke(this.#world.ledger.byLease.get(args[1] as string), `lease ${String(args[1])}`);
        return this.#patient(verb, args[1] as string);
      case 'lookupCertificate':
        return this.#patient(verb, certificateId(args[0] as Certificate));
      case 'revokeCertificate': {
        const id = certificateId(args[1] as Certificate);
        this.#onRevoke(this.#world.ledger.byLease.get(id), `certificate ${id}`);
        return this.#patient(verb, id);
      }
      case 'revokeToken':
        if (this.#world.ledger.byAccessor.get(args[1] as string)?.grant.abandoned === true) return;
        this.#onRevoke(this.#world.ledger.byAccessor.get(args[1] as string), `token ${String(args[1])}`);
        return this.#patient(verb, args[1] as string);
      default:
    }
  }

  onPublish({ task, n, deliveries }: Publication): void {
    const world = this.#world;
    const grant = world.ledger.byTask.get(task);
    const generation = grant?.generations.get(n);
    if (grant === undefined || generation === undefined) {
      return world.blame(`${task} generation ${n} is published before it is on record`);
    }
    if (grant.stoppingAt !== null) world.blame(`${task} is published after its stop is on record`);
    const leases = [...world.model.credentials].filter(
      ([, { accessor }]) => accessor === generation.accessor,
    );
    for (const [id, { lasting }] of leases) {
      if (!lasting && !generation.leases.has(id)) world.blame(`${id} is published before it is on record`);
    }
    world.judge.terms.onPublish({ task, n, deliveries }, grant, generation);
    const tried = deliveries.find(({ secret }) => secret === 'db')?.data.username;
    if (world.probes.waits(grant.profile) && !world.probes.took(tried))
      world.blame(`${task} generation ${n} is published although its credential never worked`);
    const names = deliveries.map(({ secret }) => secret).sort();
    const whole = world
      .versions(grant.profile, since(grant))
      .some(({ secrets }) => String(secrets.map(({ name }) => name).sort()) === String(names));
    if (!whole)
      world.blame(`${task} generation ${n} is published with ${names.join(', ') || 'nothing'} only`);
  }

  /** What is asked for is in some version of the profile that held while the task lived. */
  #onCreate(request: TokenRequest): void {
    const world = this.#world;
    const { task, profile } = request.meta;
    const grant = world.ledger.byTask.get(task ?? '');
    if (grant === undefined || grant.closedAt !== null) {
      return world.blame(`a token for ${task} before the task is on record`);
    }
    judgeWithin(world, grant, request.policies);
    const allowed = world
      .versions(profile ?? '', since(grant))
      .some(
        ({ policies, entityAlias }) =>
          request.policies.every((policy) => policies.includes(policy)) &&
          request.entityAlias === entityAlias?.replace('{{task.id}}', task!),
      );
    if (!allowed) {
      const what = `${request.policies.join(', ')} as ${request.entityAlias ?? 'nobody'}`;
      world.blame(`${task} asks for ${what}, which ${profile} does not give`);
    }
    const end = world.at + request.ttlSeconds * SECOND_MS;
    // A start whose deadline came while it waited for the session gets the shortest token there is.
    if (request.ttlSeconds > 1 && end > grant.latestDeadline + SECOND_MS + 5) {
      world.blame(`the token of ${task} would live ${end - grant.latestDeadline} ms past its deadline`);
    }
  }

  #onRead(token: Secret, ask: Ask): void {
    const world = this.#world;
    const holder = world.model.tokenOf(Buffer.from(token.reveal()).toString());
    // One that Vault has ended meanwhile is refused there.
    if (holder === undefined) return;
    const owner = world.ledger.byAccessor.get(holder.accessor);
    if (owner === undefined) return world.blame(`${ask.path} is read before its token is on record`);
    const { grant } = owner;
    judgeWithin(world, grant, ask);
    if (holder.meta.task !== grant.task) world.blame(`${grant.task} uses the token of ${holder.meta.task}`);
    const allowed = world
      .versions(grant.profile, since(grant))
      .some(({ secrets }) => secrets.some(({ path }) => path === ask.path));
    if (!allowed) world.blame(`${grant.task} reads ${ask.path}, which ${grant.profile} does not give`);
  }

  #onRenew(id: string, incrementSeconds: number, life: Life): void {
    const world = this.#world;
    const owner = world.ledger.byLease.get(id);
    if (owner === undefined) return;
    const { grant } = owner;
    if (grant.stoppingAt !== null)
      world.blame(`${id} is renewed after the stop of ${grant.task} is on record`);
    const end = world.at + incrementSeconds * SECOND_MS;
    if (end > grant.latestDeadline + SECOND_MS + 5) {
      world.blame(`${id} is renewed ${end - grant.latestDeadline} ms past the deadline of ${grant.task}`);
    }
    const times = (this.#renewed.get(id) ?? []).filter((at) => at > world.at - 10_000);
    times.push(world.at);
    this.#renewed.set(id, times);
    if (times.length > 20 && life.process.dead === false)
      world.blame(`${id} is renewed ${times.length} times in 10 s`);
  }

  /** A session takes along whatever hangs under it. */
  #onClose(session: Secret): void {
    const world = this.#world;
    const accessor = world.model.tokenOf(Buffer.from(session.reveal()).toString())?.accessor;
    world.sessionClosedAt = world.at;
    // Without a durable journal a proof may be known to the engine only.
    if (accessor === undefined || world.calm.since(world.at, ['journal']) > world.at - 5000) return;
    for (const grant of world.ledger.grants.values()) {
      if (grant.closedAt !== null || grant.abandoned) continue;
      for (const generation of grant.generations.values()) {
        if (generation.session !== accessor || generation.proved) continue;
        world.blame(`the session of ${grant.id} generation ${generation.n} is closed under it`);
      }
    }
  }

  /** A superseded generation is left alive for the overlap, so that readers find their way to the next. */
  #onRevoke(owner: ReturnType<World['ledger']['byLease']['get']>, what: string): void {
    const world = this.#world;
    if (owner === undefined) return;
    const { grant, generation } = owner;
    const shown = world.judge.shown.get(grant.task);
    const filesSince = world.calm.since(world.at, ['files']);
    // The end of one that was superseded before the stop goes on: its files went first, by themselves.
    const before = generation.retireAt !== null && generation.retireAt < (grant.stoppingAt ?? 0);
    const hidden = before && shown?.n !== generation.n;
    if (
      grant.stoppingAt !== null &&
      shown !== undefined &&
      !hidden &&
      filesSince < grant.stoppingAt - 20_000
    ) {
      world.blame(`${what} is revoked before the files of ${grant.task} are gone`);
    }
    if (grant.stoppingAt !== null || shown === undefined || generation.publishedAt === null) return;
    // Without a durable journal the stop may be known to the engine only.
    if (world.calm.since(world.at, ['journal']) > world.at - 5000) return;
    if (shown.n === generation.n)
      return world.blame(`${what} is revoked while ${grant.task} shows its files`);
    if (world.judge.tooEarly(grant.task, generation.n))
      world.blame(`${what} of ${grant.task} is revoked in its overlap`);
  }

  #patient(verb: string, about: string): void {
    const notBefore = this.#asked.get(`${verb} ${about}`);
    if (notBefore === undefined || this.#world.at >= notBefore) return;
    this.#world.blame(`${verb} ${about} ${notBefore - this.#world.at} ms before Vault's Retry-After`);
  }
}

/** A task keeps what its profile gave it when it was accepted, until a version gives less. */
const since = (grant: LedgerGrant): number => grant.acceptedAt - 100;
