// Owns how an explanation is shown to people.

import { clean, columns, paint } from '../../cli/output.ts';
import { addTo } from '../../domain/policy-line.ts';
import type { Explanation } from './explain.ts';
import type { RequestLine } from './requests.ts';

const TOKENS = {
  login: "the agent's login",
  session: "the agent's session",
  task: "the task's token",
  none: 'nobody',
} as const;

export function asText(explanation: Explanation): string {
  const { profile, starter, refused, requests, time, files, secrets, vault, notes } = explanation;
  return [
    paint('bold', `A start of ${profile} by uid ${starter.uid}`),
    ...refused.flatMap(({ detail, hint }) => [
      `  ${paint('red', 'refused')} now: ${clean(detail)}`,
      ...(hint === null ? [] : [`  next: ${clean(hint)}`]),
    ]),
    ...notes.map((note) => `  ${clean(note)}`),
    '',
    paint('bold', 'Requests to Vault'),
    ...requests.flatMap((line, at) => requestText(line, at + 1)),
    '',
    paint('bold', 'Time'),
    indented(columns(time.map(({ name, value, note }) => [name, value, note]))),
    '',
    paint('bold', `Files in ${explanation.dir}`),
    indented(
      columns(
        files.map((each) => [
          each.file,
          each.format,
          each.uid === null ? '-' : `uid ${each.uid}`,
          each.gid === null ? '' : `gid ${each.gid}`,
          `mode ${each.mode}`,
          each.note ?? '',
        ]),
      ),
    ),
    '',
    paint('bold', 'At the stop'),
    indented(
      columns(
        secrets.map(({ secret, path, revocable, note }) => [
          secret,
          path,
          revocable === null ? 'not known' : revocable ? 'revocable' : 'not revocable',
          note,
        ]),
      ),
    ),
    ...(vault.asked ? [] : ['', `Vault was not asked: ${clean(vault.why ?? '')}`]),
  ].join('\n');
}

const indented = (text: string): string =>
  text
    .split('\n')
    .map((line) => `  ${line.trimEnd()}`)
    .join('\n');

function requestText(line: RequestLine, n: number): string[] {
  const by = `by ${TOKENS[line.token]}`;
  return [
    `  ${n}. ${line.method} ${clean(line.path)}  ${paint('dim', `${line.purpose}, ${by}`)}`,
    ...(line.body === null || Object.keys(line.body).length === 0
      ? []
      : [`       ${clean(JSON.stringify(line.body))}`]),
    `       ${verdict(line)}`,
    ...(line.add === null ? [] : [`       ${clean(addTo(line.into, line.add))}`]),
  ];
}

function verdict({ permitted, by, why }: RequestLine): string {
  if (permitted === true) return `${paint('green', 'permitted')} by ${clean(by ?? '')}`;
  if (permitted === false) return `${paint('red', 'not permitted')}: ${clean(why ?? '')}`;
  return `${paint('yellow', 'not known')}: ${clean(why ?? '')}`;
}
