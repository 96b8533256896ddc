// Owns the first step of recovery: no file of an earlier agent stays, because this version takes no task
// over. Invariant: done before the journal is opened and before anybody can call.

import type { Files } from '../ports/files.ts';
import type { Telemetry } from '../ports/telemetry.ts';

export async function sweep(files: Files, telemetry: Telemetry): Promise<void> {
  const strays = await files.sweep(new Set());
  if (strays.length === 0) return;
  telemetry.log('warn', 'removed files that an earlier agent left', { count: strays.length });
}
