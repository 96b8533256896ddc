// Owns the promise that the record says under which version of its profile a task has each credential: that of its start,
// until a narrower one applies with the next generation.
import { expect, test } from 'vitest';
import { decide } from '../../../src/domain/decide.ts';
import type { GrantEvent } from '../../../src/domain/grant-event.ts';
import { memoryOf, recordOf } from '../../../src/domain/record-of.ts';
import { refit } from '../../../src/domain/refit.ts';
import { settle } from '../../../src/domain/task-spec.ts';
import { NARROWER, planChanged } from './rows.ts';
import {
  ACCEPTED,
  active,
  activeAs,
  after,
  at,
  caller,
  PROFILE,
  profile,
  published,
  publishing,
  TASK,
} from './samples.ts';

const changed = (version: string, plan = NARROWER): GrantEvent =>
  ({ ...planChanged(plan), version }) as GrantEvent;
const opened = (event: GrantEvent, grant = active()) =>
  decide(grant, event, at(1000)).facts.find(({ type }) => type === 'generation.opened');

test('a narrower profile is on record with the generation that goes by it', () => {
  const fact = opened(changed('sha256:new'))!;
  expect(fact).toMatchObject({ n: 2, profile_version: 'sha256:new' });
  const record = recordOf(memoryOf(ACCEPTED), fact, (id) => id);
  expect(record).toMatchObject({ type: 'generation.opened', fact: { n: 2, profile_version: 'sha256:new' } });
});

test('the newest version counts, where it changed again before it was taken', () => {
  const waits = after(publishing(), changed('sha256:second'), changed('sha256:third'), published);
  expect(opened({ type: 'alarm' }, waits)).toMatchObject({ n: 2, profile_version: 'sha256:third' });
});

test('a version that says the same raises nothing, and a wider one is never the task’s', () => {
  expect(opened(changed('sha256:comment', {}))).toBeUndefined();
  const asked = { profile: PROFILE, params: { env: 'prod' } };
  const { plan } = settle(TASK, profile(), asked, caller(), at(0));
  const living = activeAs({ plan });
  expect(refit(living, profile({ version: 'sha256:same' }), at(0))).toMatchObject({
    wider: false,
    version: 'sha256:same',
  });
  const wider = profile({ version: 'sha256:wider', policies: ['tasklease-report-read', 'root-like'] });
  expect(refit(living, wider, at(0))).toMatchObject({ wider: true, version: null, plan });
});
