// Owns the step from the API's hint, which speaks HTTP, to what one types: the command or the option.
// Invariant: for what is not in the table the API's hint stands as it is.

import type { Problem } from './failure.ts';

/** What replaces the API's hint. `$1` is the detail's first group, `hint` the API's own words. */
type Words = (hint: string, $1: string) => string;

/** Adds the option to what the API says; alone where the API only points to its schema. */
const withOption =
  (option: (name: string) => string): Words =>
  (hint, name) =>
    hint === '' || pointsToSchema(hint) ? `correct ${option(name)}` : `${hint} (${option(name)})`;

const pointsToSchema = (hint: string): boolean =>
  hint.includes('openapi.json') || hint.startsWith('send a body like');
const EVENT = '--event TYPE:ID';
const param = (name: string): string => `--param ${name}=VALUE`;

/** The first entry with this code whose pattern is in the detail counts. */
const table: readonly (readonly [code: string, detail: RegExp, words: Words])[] = [
  ['TASK_UNKNOWN', /^/, () => 'tasklease status lists your tasks'],
  ['TASK_CONFLICT', /^/, () => 'choose another --task, or repeat its start with the very same options'],
  ['TASK_SPENT', /has been used/, () => 'choose a new --task ID, or leave it out and one is made'],
  [
    'ADMIN_ONLY',
    /^/,
    () => 'name the admin socket (admin.sock in runtime_dir) with --socket or TASKLEASE_ADMIN_SOCKET',
  ],
  ['VAULT_UNREACHABLE', /has not logged in/, () => 'tasklease health says why'],
  [
    'SIGNAL_INVALID',
    /needs a business event/,
    () => `add ${EVENT}, such as --event pull_request:acme/shop#412`,
  ],
  ['SIGNAL_INVALID', /needs event\.id/, () => `add ${EVENT}, such as --event pull_request:acme/shop#412`],
  ['SIGNAL_INVALID', /^event\b/, withOption(() => EVENT)],
  ['SIGNAL_INVALID', /needs params\.(\S+),/, (_hint, name) => `add ${param(name)}`],
  [
    'SIGNAL_INVALID',
    /^params\.(\S+) is not a parameter/,
    (hint, name) => `leave out --param ${name}; ${hint}`,
  ],
  ['SIGNAL_INVALID', /^params\.(\S+)/, withOption(param)],
  ['SIGNAL_INVALID', /^profile must/, withOption(() => '--profile P')],
  ['SIGNAL_INVALID', /^duration/, withOption(() => '--duration D')],
  [
    'SIGNAL_INVALID',
    /^deadline must/,
    () => 'give --deadline 2026-11-22T10:15:00Z, or --duration 15m instead',
  ],
  ['SIGNAL_INVALID', /^deadline/, withOption(() => '--deadline T, or --duration D')],
  [
    'SIGNAL_INVALID',
    /needs a bind/,
    () => 'add --pid N or --cgroup PATH, or use tasklease run, which binds the task to itself',
  ],
  [
    'SIGNAL_INVALID',
    /^bind\.pid/,
    () =>
      "--pid takes a living process of yours in the agent's pid namespace; tasklease run works from everywhere",
  ],
  [
    'SIGNAL_INVALID',
    /^bind\.cgroup/,
    () =>
      '--cgroup takes a living control group of your own as /proc/PID/cgroup shows it after "0::"; tasklease run works from everywhere',
  ],
  ['SIGNAL_INVALID', /^parent\b/, withOption(() => '--parent TASK')],
  [
    'SIGNAL_INVALID',
    /^assertion\b/,
    () => '--assertion-file takes a file with a signed JWT, and nothing else',
  ],
  ['IDENTITY_REJECTED', /asks for an assertion/, () => 'give --assertion-file: a JWT for this one task'],
  ['SIGNAL_INVALID', /^reason\b/, withOption(() => '--reason TEXT')],
  ['SIGNAL_INVALID', /^wait /, () => 'give --wait 30s, or up to --wait 1h'],
];

/** What to do next, in the words of the command line. */
export function advice({ code, detail, hint }: Problem, command: string): string | undefined {
  for (const [known, pattern, words] of table) {
    const found = known === code ? pattern.exec(detail) : null;
    if (found !== null) return words(hint ?? '', found[1] ?? '');
  }
  return hint !== undefined && pointsToSchema(hint) ? `tasklease ${command} --help` : hint;
}
