// Owns the directions of the layers: a file imports its own folder or a lower layer, adapters know
// nothing of one another, server and cli reach adapters only through compose, packages stay at the edge.

import { describe, expect, test } from 'vitest';
import { importsOf, type SourceFile, sources } from './sources.ts';

const BELOW_THE_TOP = ['domain', 'ports', 'schema', 'engine', 'adapters', 'server', 'cli', 'compose'];

/** What each layer may import beside itself. What is not here does not exist. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  ports: ['domain'],
  schema: ['domain', 'ports'],
  engine: ['domain', 'ports'],
  adapters: ['domain', 'ports', 'schema'],
  server: ['domain', 'ports', 'schema', 'engine'],
  cli: ['domain', 'ports', 'schema'],
  // A package of its own inside this one: programs load it without the agent, so it takes nothing of ours.
  client: [],
  compose: ['domain', 'ports', 'schema', 'engine', 'adapters', 'server'],
  // The demo's and the tests' servers, and the executable with its commands that are no clients: top level.
  dev: BELOW_THE_TOP,
  // Policies made from profiles, and the reading of the ledger: pure, what they need from outside is handed in.
  policy: ['domain', 'ports', 'schema'],
  audit: ['domain', 'ports', 'schema'],
  commands: [...BELOW_THE_TOP, 'policy', 'audit', 'dev'],
  main: ['cli', 'commands'],
  // The executable's own JavaScript: what it loads, the bundle of main, it does not import.
  loader: [],
};

/** Packages by layer; `node:` is listed where built-in modules are allowed. */
const PACKAGES: Readonly<Record<string, true | readonly string[]>> = {
  domain: [],
  ports: [],
  schema: ['zod'],
  engine: [],
  adapters: true,
  server: true,
  cli: true,
  client: ['node:'],
  compose: ['node:'],
  dev: true,
  policy: [],
  audit: [],
  commands: ['node:'],
  main: ['node:'],
  loader: [],
};

/** System calls are one foundation that several adapters stand on; it imports nothing of ours. */
const FOUNDATION = 'adapters/native';

const layerOf = (path: string): string => path.split('/')[0]!.replace(/\.ts$/, '');
const adapterOf = (path: string): string => path.split('/').slice(0, 2).join('/');

function violations(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  const found: string[] = [];
  for (const { specifier, target } of file.imports) {
    const say = (why: string) => found.push(`${file.path} imports ${specifier}: ${why}`);
    if (target === null) {
      const allowed = PACKAGES[layer];
      const asked = specifier.startsWith('node:') ? 'node:' : specifier;
      if (allowed === undefined) say('an unknown layer');
      else if (allowed !== true && !allowed.includes(asked)) say(`${layer} takes no such module`);
      continue;
    }
    if (target.startsWith('../')) {
      if (target !== '../package.json') say('outside src');
      continue;
    }
    const other = layerOf(target);
    if (other === layer) {
      if (layer !== 'adapters' || adapterOf(target) === adapterOf(file.path)) continue;
      if (adapterOf(target) === FOUNDATION) continue;
      say('adapters do not import one another');
    } else if (adapterOf(file.path) === FOUNDATION) {
      say('the foundation stands on nothing of ours');
    } else if (!(MAY_IMPORT[layer] ?? []).includes(other)) {
      say(`${layer} may import ${(MAY_IMPORT[layer] ?? []).join(', ') || 'nothing of ours but itself'}`);
    }
  }
  return found;
}

const files = sources();

describe('layers', () => {
  test('every file belongs to a layer', () => {
    expect(files.length).toBeGreaterThan(30);
    expect(
      files.filter(({ path }) => MAY_IMPORT[layerOf(path)] === undefined).map(({ path }) => path),
    ).toEqual([]);
  });

  test('every import goes to its own folder or downwards, and packages stay at the edge', () => {
    expect(files.flatMap(violations)).toEqual([]);
  });

  test('every relative import names an existing file, with its ending', () => {
    const known = new Set(files.map(({ path }) => path));
    const dangling = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target !== null && !target.startsWith('../') && !known.has(target))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(dangling).toEqual([]);
  });

  test('no files import one another in a circle (types aside)', () => {
    const graph = new Map(
      files.map(({ path, imports }) => [
        path,
        imports.flatMap(({ target, typeOnly }) => (target === null || typeOnly ? [] : [target])),
      ]),
    );
    expect(circles(graph)).toEqual([]);
  });
});

describe('the reader of imports', () => {
  const read = (text: string) => importsOf('a/b.ts', text).map(({ specifier }) => specifier);
  test.each([
    ["import { x } from './x.ts';", ['./x.ts']],
    ["import type { X } from '../x.ts';", ['../x.ts']],
    ["import {\n  x,\n  y,\n} from 'zod';", ['zod']],
    ["export * from './x.ts';", ['./x.ts']],
    ["import './x.ts';", ['./x.ts']],
    ["const x = await import('./x.ts');", ['./x.ts']],
    ["// import { x } from './x.ts';\n/* from './y.ts' */", []],
  ])('%j', (text, specifiers) => {
    expect(read(text)).toEqual(specifiers);
  });

  test('a violation is found', () => {
    const bad = (path: string, text: string) =>
      violations({ path, text, lines: 1, imports: importsOf(path, text) }).length;
    expect(bad('domain/a.ts', "import 'node:fs';")).toBe(1);
    expect(bad('domain/a.ts', "import { x } from '../ports/clock.ts';")).toBe(1);
    expect(bad('engine/a.ts', "import { z } from 'zod';")).toBe(1);
    expect(bad('server/a.ts', "import { x } from '../adapters/vault/vault-client.ts';")).toBe(1);
    expect(bad('cli/a.ts', "import { x } from '../engine/engine.ts';")).toBe(1);
    expect(bad('client/a.ts', "import { x } from '../domain/problem.ts';")).toBe(1);
    expect(bad('client/a.ts', "import { x } from 'undici';")).toBe(1);
    expect(bad('commands/agent.ts', "import { connect } from '../client/index.ts';")).toBe(1);
    expect(bad('adapters/vault/a.ts', "import { x } from '../files/tmpfs-files.ts';")).toBe(1);
    expect(bad('adapters/vault/a.ts', "import { x } from './classify.ts';")).toBe(0);
    expect(bad('adapters/peer/a.ts', "import { x } from '../native/linux.ts';")).toBe(0);
  });
});

/** Every circle of files, each named once, by the file at which the walk closes it. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    state.set(path, 'open');
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}
