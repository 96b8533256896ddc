// Owns a command that has commands of its own, such as `tasklease policy`. Invariant: only the code of the one that runs is
// loaded; a word that is none is named, with the nearest that is.

import type { Command } from './command.ts';
import { UsageError } from './failure.ts';
import { nearest } from './nearest.ts';

export interface GroupPart {
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
}

export interface Group {
  readonly name: string;
  /** By name, in the order of the usage; a further one is one line there. */
  readonly parts: Readonly<Record<string, GroupPart>>;
  /** The whole text, with the list of parts where it belongs. */
  usage(list: string): string;
  /** The exit code for a failure that is said here; null for one that is nobody's to expect. */
  failed(part: string, error: unknown): number | null;
}

export function commandGroup({ name, parts, usage, failed }: Group): Command {
  const names = Object.keys(parts);
  const width = Math.max(...names.map((each) => each.length));
  const list = names.map((each) => `  ${each.padEnd(width)}  ${parts[each]!.summary}`).join('\n');
  const partOf = (word: string) => (Object.hasOwn(parts, word) ? parts[word]! : null);
  return {
    usage: usage(list),
    usageOf: async (word) => (await partOf(word)?.load())?.command.usage ?? null,
    async run([word, ...args]) {
      const all = `tasklease ${name} ${names.join(' | ')}`;
      if (word === undefined) throw new UsageError(`${name} needs a command`, all);
      const part = partOf(word);
      if (part === null) {
        const meant = nearest(word, names);
        const next = meant === undefined ? all : ['tasklease', name, meant, ...args].join(' ');
        throw new UsageError(`${name} has no command ${JSON.stringify(word)}`, next);
      }
      const { command } = await part.load();
      try {
        return await command.run(args);
      } catch (error) {
        const code = failed(word, error);
        if (code === null) throw error;
        return code;
      }
    },
  };
}
