// Owns the death of the agent at an exact step: loaded into it with `node --import`, it counts what is durable
// (journal commits, files) or external (requests to Vault) and ends the process with SIGKILL right before or
// right after one of them. Invariant: the product knows nothing of it; without a plan it only writes down.
import { subscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { CrashPlan } from './crash-plan.ts';

const plan = JSON.parse(process.env.TASKLEASE_CRASH_PLAN ?? '{}') as CrashPlan;
const { appendFileSync, existsSync } = fs;
const counts = new Map<string, number>();

/** Notes a step; answers whether this process dies at it, and on which side. */
const arrive = (step: string): 'before' | 'after' | null => {
  if (plan.armedBy !== undefined && !existsSync(plan.armedBy)) return null;
  const nth = (counts.get(step) ?? 0) + 1;
  counts.set(step, nth);
  appendFileSync(plan.record, `${JSON.stringify({ step, nth })}\n`);
  const { at } = plan;
  return at !== undefined && at.nth === nth && step === at.step ? at.when : null;
};

const die = (): never => {
  appendFileSync(plan.record, `${JSON.stringify({ died: plan.at })}\n`);
  process.kill(process.pid, 'SIGKILL');
  // The signal is delivered before the call returns; nothing runs past this line.
  for (;;);
};

const through = <T>(step: string, run: () => T): T => {
  const when = arrive(step);
  if (when === 'before') die();
  try {
    return run();
  } finally {
    if (when === 'after') die();
  }
};

type Any = (...args: unknown[]) => unknown;
type Methods = Record<string, Any>;

/** Puts `around` in the place of a function; `around` gets the old one bound. */
const wrap = (
  owner: object,
  name: string,
  around: (original: Any, args: unknown[], self: unknown) => unknown,
): void => {
  const methods = owner as Methods;
  const original = methods[name];
  if (original === undefined) return;
  methods[name] = function (this: unknown, ...args: unknown[]) {
    return around((...same) => original.apply(this, same), args, this);
  };
};

// The journal: a commit is named by the facts in it.
const { DatabaseSync, StatementSync } = process.getBuiltinModule('node:sqlite');
let facts: string[] | null = null;
/** The type of the fact among a statement's parameters, be they given by place or by name. */
const factIn = (args: readonly unknown[]): string | undefined => {
  for (const value of args.flatMap((arg) =>
    typeof arg === 'object' && arg !== null ? Object.values(arg) : arg,
  )) {
    const type = typeof value === 'string' ? /^\{.*?"type":"([a-z]+\.[a-z]+)"/.exec(value)?.[1] : undefined;
    if (type !== undefined) return type;
  }
  return undefined;
};
wrap(DatabaseSync.prototype, 'exec', (exec, args) => {
  const sql = String(args[0]);
  if (/^\s*BEGIN/i.test(sql)) facts = [];
  if (/^\s*ROLLBACK/i.test(sql)) facts = null;
  if (!/^\s*COMMIT/i.test(sql)) return exec(...args);
  const named = (facts ?? []).join(' + ') || 'housekeeping';
  facts = null;
  return through(`journal ${named}`, () => exec(...args));
});
wrap(StatementSync.prototype, 'run', (run, args, self) => {
  const fact = factIn(args);
  if (facts !== null) {
    if (fact !== undefined) facts.push(fact);
    return run(...args);
  }
  const [verb, , table] = String((self as { sourceSQL: string }).sourceSQL)
    .trim()
    .split(/\s+/);
  return through(`journal ${fact ?? `${verb} ${table}`}`, () => run(...args));
});

// Files: only those on tmpfs, named without what differs from run to run.
const named = (path: unknown): string | null => {
  const root = plan.roots.find((each) => String(path).startsWith(each));
  if (root === undefined) return null;
  const rest = String(path)
    .slice(root.length)
    .replaceAll(/crash-\d+/g, 'TASK');
  return `${root.split('/').at(-1)}${rest}`;
};
const O_WRITE = fs.constants.O_WRONLY | fs.constants.O_RDWR;
const written = new Map<unknown, string>();
const onPath = (call: string, verb: string, which = 0, happens: (args: unknown[]) => boolean = () => true) =>
  wrap(fs, call, (original, args) => {
    const name = named(args[which]);
    if (name === null || !happens(args)) return original(...args);
    return through(`${verb} ${name}`, () => original(...args));
  });
onPath('mkdirSync', 'mkdir');
onPath('symlinkSync', 'symlink', 1);
onPath('renameSync', 'rename to', 1);
onPath('unlinkSync', 'unlink');
onPath('rmdirSync', 'rmdir');
onPath('writeFileSync', 'write');
onPath(
  'rmSync',
  'remove',
  0,
  ([path]) => fs.lstatSync(String(path), { throwIfNoEntry: false }) !== undefined,
);
wrap(fs, 'openSync', (open, args) => {
  const name = named(args[0]);
  if (name === null || typeof args[1] !== 'number' || (args[1] & O_WRITE) === 0) return open(...args);
  const fd = through(`create ${name}`, () => open(...args));
  written.set(fd, name);
  return fd;
});
wrap(fs, 'writeSync', (write, args) => {
  const name = written.get(args[0]);
  return name === undefined ? write(...args) : through(`fill ${name}`, () => write(...args));
});
wrap(fs, 'closeSync', (close, args) => {
  written.delete(args[0]);
  return close(...args);
});

// Requests to Vault, as undici tells of them: before it is sent; after its answer is here, and before anybody has seen it.
type Told = { readonly request: { readonly method: string; readonly path: string } };
const doomed = new WeakSet<object>();
subscribe('undici:request:create', (message) => {
  const { request } = message as Told;
  const when = arrive(`vault ${request.method} ${request.path.replace(/^\/v1\//, '')}`);
  if (when === 'before') die();
  if (when === 'after') doomed.add(request);
});
subscribe('undici:request:trailers', (message) => {
  if (doomed.has((message as Told).request)) die();
});
syncBuiltinESMExports();
