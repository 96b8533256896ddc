// Owns every order in which things can happen to one task: a start, a stop and one more event, each answer of the
// engine's effects early or late, well or (once a run) not. Depth first over decide() itself, each state once.

import { decide, open } from '../../src/domain/decide.ts';
import { dueAt } from '../../src/domain/due.ts';
import type { Entry, Fact } from '../../src/domain/fact.ts';
import { current, type Grant, living, works } from '../../src/domain/grant.ts';
import type { Effect, GrantEvent } from '../../src/domain/grant-event.ts';
import { fold } from '../../src/domain/grant-fold.ts';
import { ACCEPTED, at, DEADLINE_MS, GRANT, instant, PLAN, SESSION } from '../unit/domain/samples.ts';
import { type Answer, answersTo, type Outside } from './effect-answers.ts';

/** What happens beside the start and the stop. */
export type Extra =
  | 'nothing'
  | 'processEnd'
  | 'deadline'
  | 'profileChange'
  | 'sessionDead'
  | 'sessionGivenUp'
  | 'leaseRunsOut'
  | 'secondStop'
  | 'extend'
  | 'abandon'
  | 'crash'
  | 'crashUnheard';

export interface Walked {
  readonly states: number;
  readonly closed: number;
  /** The first order that breaks a rule, told step by step. */
  readonly wrong: string | null;
}

interface Node {
  readonly grant: Grant;
  readonly entries: readonly Entry[];
  readonly asked: readonly Effect[];
  readonly outside: Outside;
  readonly ms: number;
  readonly left: readonly ('stop' | Extra)[];
  readonly failures: number;
  readonly path: string;
}

const ANSWER_WITHIN_MS = 30_000;
const MOST_STEPS = 60;

export function walkAll(extra: Extra): Walked {
  const seen = new Set<string>();
  let closed = 0;
  const { next, facts, effects } = open(GRANT, ACCEPTED, ANSWER_WITHIN_MS, at(0));
  const stack: Node[] = [
    {
      grant: next,
      entries: recorded([], facts, 0),
      asked: effects,
      outside: { tokens: [], leases: [], shown: null },
      ms: 0,
      left: ['stop', ...(extra === 'nothing' ? [] : [extra])],
      failures: 1,
      path: 'start',
    },
  ];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const { path, entries, ...state } = node;
    const key = JSON.stringify(state);
    if (seen.has(key)) continue;
    seen.add(key);
    const wrong = judge(node);
    if (wrong !== null) return { states: seen.size, closed, wrong: `${wrong}\n${path}` };
    if (node.grant.state === 'closed') {
      closed += 1;
      continue;
    }
    const following = steps(node);
    if (following.length === 0) return { states: seen.size, closed, wrong: `stuck\n${path}` };
    if (path.split('\n').length > MOST_STEPS) {
      return { states: seen.size, closed, wrong: `no end in sight\n${path}` };
    }
    stack.push(...following);
  }
  return { states: seen.size, closed, wrong: null };
}

/** Everything that can be next. */
function steps(node: Node): Node[] {
  const answered = node.asked.flatMap((effect) =>
    answersTo(effect, node.grant, node.outside, at(node.ms), node.failures > 0).map((answer) =>
      heard(node, effect, answer),
    ),
  );
  const happened = node.left.flatMap((what) => happen(node, what));
  const due = dueAt(node.grant);
  // Time passes only when nothing else is under way, or there would be no end of orders.
  const idle = node.asked.length === 0 && due !== null;
  if (!idle) return [...answered, ...happened];
  const ms = Math.max(node.ms, due - instant(0));
  return [...happened, told({ ...node, ms }, { type: 'alarm' }, `alarm at ${ms}`)];
}

function heard(node: Node, effect: Effect, { event, outside, well }: Answer): Node {
  const asked = node.asked.filter((other) => other !== effect);
  const failures = node.failures - (well ? 0 : 1);
  const word = `${effect.type} ${'n' in effect ? effect.n : ''} → ${event.type}${well ? '' : ' (bad)'}`;
  return told({ ...node, asked, outside, failures }, event, word);
}

function happen(node: Node, what: 'stop' | Extra): Node[] {
  const rest = { ...node, left: node.left.filter((other) => other !== what) };
  switch (what) {
    case 'nothing':
      return [];
    case 'stop':
    case 'secondStop':
      return [told(rest, { type: 'stopRequested', reason: 'completed' }, what)];
    case 'processEnd':
      return [told(rest, { type: 'stopRequested', reason: 'lost' }, what)];
    case 'deadline':
      return [told({ ...rest, ms: Math.max(node.ms, DEADLINE_MS) }, { type: 'alarm' }, what)];
    case 'leaseRunsOut': {
      const ends = current(node.grant)?.leases.map(({ endsAt }) => endsAt ?? 0) ?? [];
      if (ends.length === 0) return [];
      return [told({ ...rest, ms: Math.max(...ends) - instant(0) + 1000 }, { type: 'alarm' }, what)];
    }
    case 'profileChange': {
      const plan = { ...PLAN, policies: ['tasklease-other'], overlapMs: 1000 };
      const { latestDeadline } = node.grant;
      return [told(rest, { type: 'planChanged', plan, latestDeadline }, what)];
    }
    case 'sessionDead':
    case 'sessionGivenUp': {
      const dead = what === 'sessionDead';
      const outside = dead ? { ...rest.outside, tokens: [], leases: [] } : rest.outside;
      return [told({ ...rest, outside }, { type: 'sessionEnded', session: SESSION, dead }, what)];
    }
    case 'extend':
      return [told(rest, { type: 'extendRequested', byMs: 60_000, notAfter: Infinity }, what)];
    case 'abandon':
      return [told(rest, { type: 'abandonRequested', reason: 'given up', uid: 0 }, what)];
    case 'crash':
      return [crash(rest, what)];
    case 'crashUnheard':
      // Each effect that was under way may have been carried out; of a token that nobody heard of, nobody knows.
      return node.asked.flatMap((effect) =>
        effect.type === 'openToken'
          ? []
          : answersTo(effect, node.grant, node.outside, at(node.ms), false).map(({ outside }) =>
              crash({ ...rest, outside }, `${what} of ${effect.type}`),
            ),
      );
    default:
      return what satisfies never;
  }
}

/** kill -9, and the next agent takes over what can be taken over. */
function crash(node: Node, word: string): Node {
  const ms = node.ms + 1000;
  const grant = fold(node.entries)!;
  const inUse = current(grant);
  const adopted = works(grant) && inUse !== null && !grant.withdrawn && node.outside.shown !== null;
  const { plan, latestDeadline } = grant;
  const outside = adopted ? { ...node.outside, shown: inUse.n } : node.outside;
  const verdict = adopted
    ? ({ adopted, plan, latestDeadline, held: true } as const)
    : ({ adopted, why: 'the agent was restarted' } as const);
  return told({ ...node, ms, grant, outside, asked: [] }, { type: 'recovered', verdict }, word);
}

function told(node: Node, event: GrantEvent, word: string): Node {
  const decision = decide(node.grant, event, at(node.ms));
  return {
    ...node,
    grant: decision.next,
    entries: recorded(node.entries, decision.facts, node.ms),
    asked: [...node.asked, ...decision.effects],
    path: `${node.path}\n${word}`,
  };
}

function recorded(entries: readonly Entry[], facts: readonly Fact[], ms: number): Entry[] {
  const { at: instantNow, wallMs } = at(ms);
  return [...entries, ...facts.map((fact) => ({ grant: GRANT, at: instantNow, wallMs, fact }))];
}

/** What is wrong with a state, if anything. */
function judge({ grant, asked, outside, entries }: Node): string | null {
  if (living(grant).length > 2) return 'three generations live';
  const ended = grant.state === 'stopping' || grant.state === 'closed';
  const last = entries.findIndex(({ fact }) => /^grant\.(stopping|refused)$/.test(fact.type));
  if (ended && last === -1) return 'a stop that is not on record';
  for (const effect of asked) {
    if (effect.type === 'readSecrets') {
      const known = entries.some(({ fact }) => fact.type === 'token.opened' && fact.n === effect.n);
      if (!known) return 'secrets are read before their token is on record';
    }
    if (effect.type === 'eraseGeneration' && effect.n === outside.shown)
      return 'the files in use are removed';
  }
  if (asked.filter(({ type }) => type === 'erase' || type === 'withdraw').length > 1)
    return 'two erasures at once';
  if (grant.state !== 'closed') return null;
  const abandoned = entries.some(({ fact }) => fact.type === 'revocation.abandoned');
  if (outside.shown !== null) return 'closed with files';
  if (!abandoned && outside.leases.length > 0) return `closed while ${outside.leases.join(', ')} lives`;
  if (!abandoned && outside.tokens.length > 0) return `closed while ${outside.tokens.join(', ')} lives`;
  return null;
}
