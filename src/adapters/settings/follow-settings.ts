// Owns what becomes of agent.yaml while the agent runs: log.level follows the file, every other key waits for the next
// start and is named once. Invariant: a file that cannot be used changes nothing; keys are told, never their values.

import type { FileNews } from '../../domain/last-good.ts';
import { LastGood } from '../../domain/last-good.ts';
import type { AgentConfig } from '../../schema/config.ts';
import { readSettings, type Settings } from './agent-settings.ts';
import { printOf, Still } from './watch.ts';

export interface SettingsSink {
  readonly news: FileNews;
  level(level: AgentConfig['log']['level']): void;
  /** These keys take effect at the next start. */
  waiting(keys: readonly string[]): void;
}

/** Looks at the file; true while it may be changing still, so that somebody should look again soon. */
export function followSettings(
  file: string,
  running: Settings,
  env: NodeJS.ProcessEnv,
  sink: SettingsSink,
): () => boolean {
  const still = new Still();
  const good = new LastGood<Settings>('agent.yaml', sink.news);
  good.take(() => running);
  still.take(file, printOf(file));
  /** What was told of each key that waits. */
  const told = new Map<string, string>();
  let level = running.config.log.level;

  function take({ config }: Settings): void {
    if (config.log.level !== level) {
      level = config.log.level;
      sink.level(level);
    }
    const waiting = differences(running.config, config).filter(([key]) => key !== 'log.level');
    for (const key of told.keys()) if (!waiting.some(([other]) => other === key)) told.delete(key);
    const news = waiting.filter(([key, value]) => told.get(key) !== value);
    for (const [key, value] of news) told.set(key, value);
    if (news.length > 0) sink.waiting(news.map(([key]) => key));
  }

  // Also what was written between the reading at the start and now.
  take(good.take(() => readSettings(file, env)));
  return () => {
    const print = printOf(file);
    const verdict = still.verdict(file, print);
    if (verdict === 'changed') {
      still.take(file, print);
      take(good.take(() => readSettings(file, env)));
    }
    return verdict === 'wait';
  };
}

/** The keys whose values differ, with their new value as text; a list is one value. */
function differences(before: unknown, after: unknown, path = ''): (readonly [string, string])[] {
  if (isMap(before) && isMap(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) =>
      differences(before[key], after[key], path === '' ? key : `${path}.${key}`),
    );
  }
  const text = JSON.stringify(after) ?? '';
  return text === (JSON.stringify(before) ?? '') ? [] : [[path, text]];
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
