// Owns a week of grants as a ledger tells of them, drawn from a seed: for the report's tests. Invariant: the same seed
// gives the same week; callers' words are as hostile as a caller can make them.

import type { ReportInput, ReportTask } from '../../src/audit/report/model.ts';

export const HOSTILE = [
  '</script><script>document.title="owned"</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "' style='position:fixed",
  '&lt;b&gt; &amp;',
  '\u202egnp.exe\u2066',
  '\u2028\u2029\\u003c',
  '{{x}} <%= x %>',
];

const DAY = 86_400_000;
const NOW = Date.parse('2026-11-28T12:00:00Z');
const PROFILES = ['report-read', 'deploy-cert', 'backup', 'ci-publish', 'agent-tools', 'partner-sync'];
const EVENTS = ['pull_request:acme/shop#', 'schedule:nightly-', 'ticket:OPS-', 'deploy:web-'];

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function sampleWeek(count: number, seed = 7): ReportInput {
  const draw = random(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(draw() * all.length)]!;
  const at = (ms: number): string => new Date(ms).toISOString();
  const rotations = new Map<string, string[]>();
  const tasks = Array.from({ length: count }, (_, i): ReportTask => {
    const profile = PROFILES[Math.floor(draw() ** 2 * PROFILES.length)]!;
    // Working hours are busier than nights.
    let from = NOW - draw() * 7 * DAY;
    const hour = new Date(from).getUTCHours();
    if ((hour < 7 || hour > 19) && draw() < 0.6) from -= (hour < 7 ? hour + 6 : hour - 15) * 3_600_000;
    from = Math.max(NOW - 7 * DAY, Math.min(NOW - 1000, from));
    const lasts = 2000 + draw() ** 6 * 6 * 3_600_000;
    const event = pick(EVENTS);
    const luck = draw();
    const running = from + lasts > NOW;
    const stopping = !running && i % 1777 === 3;
    const outcome =
      luck < 0.9
        ? 'completed'
        : luck < 0.94
          ? 'expired'
          : luck < 0.96
            ? 'lost'
            : luck < 0.98
              ? 'refused'
              : luck < 0.99
                ? 'revoked'
                : 'failed';
    const refusedEarly = outcome === 'refused' && draw() < 0.5;
    const unproved = i % 1013 === 11;
    const task = i < HOSTILE.length ? HOSTILE[i]! : `${profile}-${i}`;
    const grant = `${task}#1`;
    if (!refusedEarly && lasts > 3_600_000)
      rotations.set(grant, [at(from + 1_800_000), at(from + 3_300_000)]);
    const open = running || stopping;
    const proof = open ? null : unproved ? 'unproved' : 'revoked';
    return {
      grant: refusedEarly ? null : grant,
      task,
      profile,
      event:
        i < HOSTILE.length
          ? { type: 'ticket', id: HOSTILE[i]! }
          : { type: event.split(':')[0]!, id: `${event.split(':')[1]}${Math.floor(draw() ** 3 * 400)}` },
      caller: { uid: pick([1000, 1001, 1001, 1001, 1044, 2000]) },
      started_at: at(from),
      closed_at: open || refusedEarly ? null : at(from + lasts),
      state: refusedEarly ? 'refused' : running ? 'open' : stopping ? 'stopping' : 'closed',
      outcome: running ? null : stopping ? 'completed' : outcome,
      problem:
        outcome === 'refused'
          ? {
              code: 'VAULT_DENIED',
              detail: `GET database/creds/${profile} was answered 403: permission denied`,
            }
          : stopping
            ? {
                code: 'VAULT_UNREACHABLE',
                detail: 'POST sys/leases/revoke: https://vault.internal:8200 gave no answer (ECONNRESET)',
              }
            : null,
      exposure_seconds: open || refusedEarly ? null : lasts / 1000,
      leases:
        outcome === 'refused' ? [] : [{ path: `database/creds/${profile}`, issued_at: at(from + 20), proof }],
    };
  });
  return {
    tasks,
    rotations,
    outages: [
      { from: at(NOW - 5.2 * DAY), to: at(NOW - 5.1 * DAY), code: 'VAULT_SEALED', failures: 214 },
      { from: at(NOW - 1.4 * DAY), to: at(NOW - 1.39 * DAY), code: 'VAULT_UNREACHABLE', failures: 12 },
    ],
    since: NOW - 7 * DAY,
    now: NOW,
    source: '/var/lib/tasklease/ledger',
    verification: {
      state: 'verified',
      sentence:
        '182,411 records, each with the hash of the one before it; the head of record 182,400 is signed.',
    },
  };
}
