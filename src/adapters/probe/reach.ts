// Owns the probes that log in nowhere: something listens (tcp), and its certificate holds (tls).

import { type Attempt, over } from './wire.ts';

export const tcp: Attempt = (_probe, target, signal) => over(target, signal, async () => {});

export const tls: Attempt = (probe, target, signal) =>
  over(target, signal, (wire) => wire.secure(probe, target));
