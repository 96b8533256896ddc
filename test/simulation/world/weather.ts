// Owns what may go wrong in one seed. Invariant: drawn from the seed alone; each seed has a few kinds of trouble
// at rates of its own, so that rare combinations are not drowned by common ones.

import type { Draw } from './draw.ts';

/** Something that happens between two looks: what callers do, what breaks, what is mended. */
export type Happening =
  | 'start'
  | 'burst'
  | 'repeat'
  | 'conflict'
  | 'stop'
  | 'stopAgain'
  | 'hastyStop'
  | 'extend'
  | 'hold'
  | 'child'
  | 'abandon'
  | 'look'
  | 'revokeAll'
  | 'drain'
  | 'exitProcess'
  | 'reusePid'
  | 'closeConnection'
  | 'reload'
  | 'removeProfile'
  | 'crash'
  | 'sigtermRevoke'
  | 'sigtermKeep'
  | 'freeze'
  | 'powerCut'
  | 'wallJump'
  | 'unreachable'
  | 'silent'
  | 'sealed'
  | 'vaultRestart'
  | 'restore'
  | 'engineDown'
  | 'endSession'
  | 'endLease'
  | 'endToken'
  | 'journalBroken'
  | 'filesFull'
  | 'filesStuck';

/** What callers do in every seed. */
const USUAL: Partial<Record<Happening, number>> = { start: 8, stop: 4, look: 1 };

/** What some seeds add, with a typical weight. */
const UNUSUAL: Partial<Record<Happening, number>> = {
  burst: 1,
  repeat: 1.5,
  conflict: 0.5,
  stopAgain: 1,
  hastyStop: 1.5,
  extend: 2,
  hold: 1,
  child: 2,
  abandon: 0.3,
  revokeAll: 0.3,
  drain: 0.1,
  exitProcess: 2,
  reusePid: 0.7,
  closeConnection: 1.5,
  reload: 1.5,
  removeProfile: 0.3,
  crash: 1,
  sigtermRevoke: 0.4,
  sigtermKeep: 0.8,
  freeze: 0.8,
  powerCut: 0.2,
  wallJump: 0.7,
  unreachable: 0.8,
  silent: 0.5,
  sealed: 0.6,
  vaultRestart: 0.6,
  restore: 0.3,
  engineDown: 0.7,
  endSession: 0.3,
  endLease: 0.7,
  endToken: 0.4,
  journalBroken: 0.5,
  filesFull: 0.5,
  filesStuck: 0.4,
};

export type Fluke = 'unreachable' | 'lost' | 'broken' | 'forbidden' | 'busy' | 'tooMany';
const FLUKES: readonly Fluke[] = ['unreachable', 'lost', 'broken', 'busy', 'tooMany'];

export interface Weather {
  readonly happenings: Readonly<Partial<Record<Happening, number>>>;
  readonly count: number;
  readonly meanGapMs: number;
  /** Chance per request. */
  readonly flukes: Readonly<Partial<Record<Fluke, number>>>;
  readonly latency: 'none' | 'near' | 'far' | 'mixed';
  /** Chance per call of a port that changes something, of being the process's last. */
  readonly crash: number;
  /** The disk takes its time. */
  readonly slowDisk: boolean;
  readonly leashMs: number;
  readonly meanOutageMs: number;
}

export function drawWeather(draw: Draw): Weather {
  const happenings: Partial<Record<Happening, number>> = { ...USUAL };
  const share = draw.pick([0, 0.15, 0.4, 0.8]);
  for (const [key, weight] of Object.entries(UNUSUAL) as [Happening, number][]) {
    const on = draw.chance(share);
    const scale = 0.3 + 2 * draw.unit();
    if (on) happenings[key] = weight * scale;
  }
  const flukes: Partial<Record<Fluke, number>> = {};
  const stormy = draw.chance(0.5);
  for (const fluke of FLUKES) {
    const rate = draw.pick([0.005, 0.03, 0.15]);
    if (draw.chance(0.4) && stormy) flukes[fluke] = rate;
  }
  if (draw.chance(0.1)) flukes.forbidden = 0.01;
  return {
    happenings,
    count: draw.pick([10, 25, 50]),
    meanGapMs: draw.pick([20, 300, 2000, 10_000]),
    flukes,
    latency: draw.pick(['none', 'near', 'near', 'far', 'mixed']),
    crash: draw.chance(0.3) ? draw.pick([0.002, 0.01, 0.05]) : 0,
    slowDisk: draw.chance(0.2),
    leashMs: draw.pick([10_000, 60_000, 300_000]),
    meanOutageMs: draw.pick([500, 5000, 40_000]),
  };
}
