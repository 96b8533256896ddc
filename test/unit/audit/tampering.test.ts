// Owns the promise that a ledger that was touched does not pass: 200 tamperings of an export, each named with the right
// record, and the untouched one passes.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256, verifyJws } from '../../../src/adapters/ledger/jws.ts';
import { openSigner } from '../../../src/adapters/ledger/signer.ts';
import type { Verdict } from '../../../src/audit/verdict.ts';
import { type VerifyOptions, verify } from '../../../src/audit/verify.ts';
import { command } from '../../../src/commands/audit.ts';
import { Draw } from '../../simulation/world/draw.ts';
import { type LedgerWorld, ledgerWorld, life } from '../adapters/ledger/ledger-world.ts';

let world: LedgerWorld;
let lines: string[] = [];
let file = '';
beforeAll(async () => {
  world = ledgerWorld();
  const journal = world.open();
  for (let i = 0; i < 12; i += 1) for (const step of life(`build-${i}`)) await journal.append(step);
  journal.end();
  file = join(world.dir, 'export.jsonl');
  expect(await command.run(['export', '--ledger', world.ledgerDir, '-o', file])).toBe(0);
  lines = readFileSync(file, 'utf8').trimEnd().split('\n');
});
afterAll(() => world.remove());

async function* placed(texts: readonly string[], whole: boolean) {
  for (const [i, text] of texts.entries()) {
    yield { text, file: 'export', line: i + 1, whole: whole || i < texts.length - 1 };
  }
}
const judge = (
  texts: readonly string[],
  options: Partial<VerifyOptions> = {},
  whole = true,
): Promise<Verdict> => verify(placed(texts, whole), { sha256, verifyJws, ...options });

/** The line with another text, hashed anew, as somebody would who knows the format. */
function rehashed(line: string, change: (text: string) => string): string {
  const text = change(line.slice(0, line.lastIndexOf(',"hash":"')));
  return `${text},"hash":"${createHash('sha256').update(text).digest('hex')}"}`;
}

/** Line `n` is record `n`: the export begins with a line of its own. */
const TAMPERINGS: Readonly<
  Record<string, (draw: Draw) => { texts: string[]; record: number; kinds: string[] }>
> = {
  edit(draw) {
    const n = draw.int(1, lines.length - 2);
    const texts = [...lines];
    const at = draw.int(20, texts[n]!.length - 70);
    const other = texts[n]![at] === 'x' ? 'y' : 'x';
    texts[n] = texts[n]!.slice(0, at) + other + texts[n]!.slice(at + 1);
    return { texts, record: n, kinds: ['changed'] };
  },
  'edit and hash anew'(draw) {
    const n = draw.int(1, lines.length - 4);
    const texts = [...lines];
    texts[n] = rehashed(texts[n]!, (text) => text.replace('"boot":"boot-1"', '"boot":"boot-2"'));
    return { texts, record: n, kinds: ['changed', 'rewritten'] };
  },
  delete(draw) {
    const n = draw.int(1, lines.length - 3);
    const many = Math.min(draw.int(1, 5), lines.length - 2 - n);
    return { texts: lines.toSpliced(n, many), record: n, kinds: ['deleted'] };
  },
  insert(draw) {
    const n = draw.int(2, lines.length - 2);
    const what = draw.pick([lines[draw.int(1, lines.length - 2)]!, '{"v":1}', 'x', lines[n]!]);
    const texts = lines.toSpliced(n, 0, what);
    // A record twice in a row: which of the two is the copy cannot be told.
    const record = what === lines[n] ? n + 1 : n;
    return { texts, record, kinds: ['inserted'] };
  },
  'insert, forged'(draw) {
    const n = draw.int(2, lines.length - 3);
    const forged = rehashed(lines[n]!, (text) => text.replace('"boot":"boot-1"', '"boot":"boot-9"'));
    return { texts: lines.toSpliced(n, 0, forged), record: n, kinds: ['inserted'] };
  },
  reorder(draw) {
    const n = draw.int(1, lines.length - 4);
    const to = draw.int(n + 1, lines.length - 2);
    const texts = lines.toSpliced(n, 1);
    texts.splice(to, 0, lines[n]!);
    return { texts, record: n, kinds: ['moved'] };
  },
  cut(draw) {
    const n = draw.int(1, lines.length - 1);
    return { texts: lines.slice(0, n), record: n, kinds: ['cut'] };
  },
  'cut, and its end put back'(draw) {
    const n = draw.int(2, lines.length - 3);
    return { texts: [...lines.slice(0, n), lines.at(-1)!], record: n, kinds: ['cut'] };
  },
  'swap the key'(draw) {
    const other = openSigner(
      generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    ).key;
    const heads = lines.flatMap((line, i) => (line.includes('"type":"head"') ? [i] : []));
    const swapped = (line: string) =>
      line.replace(/"x":"[^"]*","kid":"[^"]*"/, `"x":"${other.x}","kid":"${other.kid}"`);
    // In the first line alone, or also where the ledger itself brings it.
    if (draw.chance(0.5)) {
      const texts = lines.with(0, swapped(lines[0]!));
      return { texts, record: 1, kinds: ['key'] };
    }
    expect(heads.length).toBeGreaterThan(2);
    return { texts: lines.with(1, swapped(lines[1]!)), record: 1, kinds: ['changed'] };
  },
};

describe('an export', () => {
  test('that nobody touched passes', async () => {
    const verdict = await judge(lines);
    expect(verdict).toMatchObject({ fault: null, records: lines.length - 2, signed_to: lines.length - 2 });
    expect(await command.run(['verify', file])).toBe(0);
  });

  test('of which 200 were touched never passes, and the record is named', async () => {
    const draw = new Draw(20_261_122);
    const names = Object.keys(TAMPERINGS);
    for (let i = 0; i < 200; i += 1) {
      const name = names[i % names.length]!;
      const { texts, record, kinds } = TAMPERINGS[name]!(draw);
      const { fault } = await judge(texts);
      expect(
        { name, i, record: fault?.record, kind: kinds.includes(fault?.kind ?? '') },
        fault?.sentence,
      ).toEqual({
        ...{ name, i, record, kind: true },
      });
      expect(fault!.sentence).toContain(String(record));
    }
  });

  test('that was cut inside a line is named', async () => {
    const texts = [...lines.slice(0, 9), lines[9]!.slice(0, 200)];
    expect((await judge(texts, {}, false)).fault).toMatchObject({ kind: 'cut', record: 9 });
  });

  test('that was signed anew as a whole passes by its own word, and not by the keys of the agent', async () => {
    const forger = openSigner(
      generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    );
    const trusted = JSON.parse(lines[0]!).keys;
    const begin = JSON.stringify({ ...JSON.parse(lines[0]!), keys: [forger.key] });
    expect((await judge([begin, ...lines.slice(1)], { trusted })).fault).toMatchObject({
      kind: 'key',
      record: 1,
    });
    expect((await judge(lines, { trusted })).fault).toBeNull();
  });

  test('`audit verify` says so on the command line and fails', async () => {
    const touched = join(world.dir, 'touched.jsonl');
    writeFileSync(touched, `${lines.toSpliced(5, 1).join('\n')}\n`);
    expect(await command.run(['verify', touched])).toBe(1);
  });
});

describe('the ledger itself', () => {
  const own = () => lines.slice(1, -1);
  test('passes, and a copy of a signed head tells when its end was cut off', async () => {
    const witness = { name: 'the head', seq: own().length - 1, hash: JSON.parse(own().at(-2)!).hash };
    expect((await judge(own(), { witnesses: [witness], complete: true })).fault).toBeNull();
    const cut = await judge(own().slice(0, 20), { witnesses: [witness], complete: true });
    expect(cut.fault).toMatchObject({ kind: 'cut', record: 21 });
    const changed = { ...witness, hash: 'f'.repeat(64) };
    expect((await judge(own(), { witnesses: [changed] })).fault).toMatchObject({ kind: 'rewritten' });
  });

  test('does not pass without its beginning, unless that was retired on record', async () => {
    const keys = JSON.parse(lines[0]!).keys;
    const rest = own().slice(10);
    expect((await judge(rest, { trusted: keys, complete: true })).fault).toMatchObject({
      kind: 'deleted',
      record: 1,
    });
    expect((await judge(rest, { trusted: keys })).fault).toBeNull();
  });

  test('of a directory is examined against its journal', async () => {
    const state = world.dir;
    const config = join(world.dir, 'agent.yaml');
    writeFileSync(config, `state_dir: ${state}\n`);
    expect(await command.run(['verify', '--config', config])).toBe(0);
  });
});
