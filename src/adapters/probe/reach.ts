// Owns the probes that log in nowhere: something listens (tcp), and its certificate holds (tls).

import type { Probe, Target } from '../../domain/probe.ts';
import { over } from './wire.ts';

export const tcp = (_probe: Probe, target: Target, signal: AbortSignal): Promise<void> =>
  over(target, signal, async () => {});

export const tls = (probe: Probe, target: Target, signal: AbortSignal): Promise<void> =>
  over(target, signal, (wire) => wire.secure(probe, target));
