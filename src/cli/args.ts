// Owns the reading of a command's arguments. Invariant: whatever is wrong with them becomes one UsageError
// that names the culprit and shows the corrected command, before the agent is asked anything.

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { parseDuration } from '../domain/duration.ts';
import { isTaskId, TASK_ID_RULE } from '../domain/ids.ts';
import { UsageError } from './failure.ts';
import { nearest } from './nearest.ts';
import { tryCommand } from './voice.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** Options of every command that talks to the agent. */
export const clientOptions = {
  socket: { type: 'string' },
  output: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies Options;

/**
 * node:util parseArgs with better words. `positionals` are the names of the words the command takes, all of
 * them optional here. An option given twice is refused unless it is declared `multiple`.
 * @throws UsageError
 */
export function parse<const T extends Options>(
  command: string,
  args: string[],
  options: T,
  positionals: readonly string[] = [],
) {
  rejectMistakes(command, args, options, positionals);
  const { values, positionals: words } = parseArgs({ args, options, allowPositionals: true, strict: true });
  return { values, words };
}

function rejectMistakes(
  command: string,
  args: string[],
  options: Options,
  positionals: readonly string[],
): void {
  const { tokens } = parseArgs({ args, options, allowPositionals: true, strict: false, tokens: true });
  const seen = new Set<string>();
  let words = 0;
  for (const token of tokens) {
    if (token.kind === 'option') {
      const rule = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
      if (rule === undefined) throw unknownOption(command, args, token.rawName, token.index, options);
      if (
        rule.type === 'string' &&
        (token.value === undefined || (!token.inlineValue && /^-./.test(token.value)))
      ) {
        throw new UsageError(
          `${token.rawName} needs a value`,
          `tasklease ${command} ${token.rawName}=VALUE (${tryCommand(command)})`,
        );
      }
      if (rule.type === 'boolean' && token.value !== undefined) {
        throw new UsageError(
          `${token.rawName} takes no value`,
          corrected(command, args, token.index, token.rawName),
        );
      }
      if (seen.has(token.name) && rule.multiple !== true) {
        throw new UsageError(`${token.rawName} is given twice`, `give it once (${tryCommand(command)})`);
      }
      seen.add(token.name);
    } else if (token.kind === 'positional' && ++words > positionals.length) {
      const takes = positionals.length === 0 ? 'takes no words' : `takes only ${positionals.join(' ')}`;
      throw new UsageError(
        `${JSON.stringify(token.value)} is one word too many: ${command} ${takes}`,
        tryCommand(command),
      );
    }
  }
}

function unknownOption(
  command: string,
  args: string[],
  rawName: string,
  index: number,
  options: Options,
): UsageError {
  const meant = nearest(rawName.replace(/^-+/, ''), Object.keys(options));
  return new UsageError(
    `${command} has no option ${rawName}${meant === undefined ? '' : `; did you mean --${meant}?`}`,
    meant === undefined ? tryCommand(command) : corrected(command, args, index, `--${meant}`),
  );
}

/** The command line with the option at `index` spelled right. */
function corrected(command: string, args: string[], index: number, option: string): string {
  const words = args.map((word, at) => {
    if (at !== index) return word;
    const value = word.indexOf('=');
    return value < 0 ? option : option + word.slice(value);
  });
  return ['tasklease', command, ...words.map(quote)].join(' ');
}

/** Quotes a word for a POSIX shell where it needs to be. */
export const quote = (word: string): string =>
  /^[\w@%+=:,./#-]+$/.test(word) && !word.startsWith('#') ? word : `'${word.replaceAll("'", "'\\''")}'`;

export type Output = 'table' | 'json';

/** @throws UsageError unless the value is `table`, `json` or absent (table). */
export function readOutput(command: string, value: string | undefined): Output {
  if (value === undefined || value === 'table') return 'table';
  if (value === 'json') return 'json';
  throw new UsageError(
    `--output ${JSON.stringify(value)} is not a format`,
    `tasklease ${command} --output table|json`,
  );
}

/** The agent's socket: option, environment, default (README, Command line). */
export function socketPath(option: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return option || env.TASKLEASE_SOCKET || '/run/tasklease/agent.sock';
}

/** Whether the command talks to the admin socket. */
export const asksAdmin = (command: string): boolean =>
  ['approve', 'deny', 'revoke-all', 'drain', 'abandon'].includes(command);

/** The admin socket: option, environment, default. */
export function adminSocketPath(option: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return option || env.TASKLEASE_ADMIN_SOCKET || '/run/tasklease-private/admin.sock';
}

/** @throws UsageError unless the text is a task id (README, API). */
export function readTaskId(command: string, text: string): string {
  if (isTaskId(text)) return text;
  throw new UsageError(
    `${JSON.stringify(text)} is not a task id`,
    `give ${TASK_ID_RULE} (${tryCommand(command)})`,
  );
}

/** A duration as text for the agent and in milliseconds for our own timers. @throws UsageError */
export function readDuration(option: string, text: string): { text: string; ms: number } {
  const ms = parseDuration(text);
  if (ms !== null) return { text, ms };
  throw new UsageError(
    `${option} ${JSON.stringify(text)} is not a duration`,
    `give a number with its unit: ${option} 90s, ${option} 15m, ${option} 1h30m`,
  );
}

/** A business event `type:id`; the id may hold colons. @throws UsageError */
export function readEvent(text: string): { type: string; id: string } {
  const colon = text.indexOf(':');
  if (colon > 0 && colon < text.length - 1) return { type: text.slice(0, colon), id: text.slice(colon + 1) };
  throw new UsageError(
    `--event ${JSON.stringify(text)} is not TYPE:ID`,
    '--event pull_request:acme/shop#412',
  );
}
