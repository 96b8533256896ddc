// Owns the reading of operators' YAML files. Invariant: a fault is one sentence with file, line, key and
// what to do; duplicate keys and unknown ones are faults.

import { readFileSync } from 'node:fs';
import { type Document, isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { firstIssue } from '../../schema/signal.ts';

export class SettingsFault extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'SettingsFault';
  }
}

/** @throws SettingsFault */
export function readYaml<S extends z.ZodType>(file: string, schema: S): z.output<S> {
  return parseYaml(file, readText(file), schema);
}

/** @throws SettingsFault */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SettingsFault(
      code === 'ENOENT'
        ? `${file}: there is no such file: name yours with --config FILE, or let tasklease init write a first one`
        : `${file}: cannot be read (${code}): check its owner and mode`,
    );
  }
}

/** @throws SettingsFault */
export function parseYaml<S extends z.ZodType>(file: string, text: string, schema: S): z.output<S> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const error = document.errors[0] ?? document.warnings[0];
  if (error !== undefined) {
    const { line } = lines.linePos(error.pos[0]);
    throw new SettingsFault(`${file}:${line}: ${error.message.split('\n')[0]}`);
  }
  const parsed = schema.safeParse(plain(file, document) ?? {});
  if (parsed.success) return parsed.data;
  const { path, message } = firstIssue(parsed.error);
  const line = lineOf(document.contents as Node | null, path, lines);
  throw new SettingsFault(`${file}:${line}: ${path.length === 0 ? 'the file' : path.join('.')} ${message}`);
}

/** @throws SettingsFault for a document that would unfold without end */
function plain(file: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 10 });
  } catch {
    throw new SettingsFault(`${file}:1: has too many aliases (*name): write the values out`);
  }
}

/** The line of the deepest key on the path that the file has. */
function lineOf(root: Node | null, path: readonly (string | number)[], lines: LineCounter): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(key) === String(step));
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return lines.linePos(offset).line;
}
