// Owns what every part of the tour has to work with: the servers, the agent, the screen, and how a task is started.
import { type ApiBody, callAgent, problemText } from './agent-api.ts';
import type { PostgresServer } from './postgres-server.ts';
import { expect, type Screen, type Tell } from './screen.ts';
import type { VaultServer } from './vault-server.ts';

export type Stage = {
  screen: Screen;
  vault: VaultServer;
  postgres: PostgresServer;
  socketPath: string;
  profilesDir: string;
  /** kill -9, and another one in its place, ready. */
  killAgent(): Promise<void>;
};

export const start = async (stage: Stage, task: string, body: ApiBody, tell: Tell): Promise<ApiBody> => {
  const reply = await callAgent(stage.socketPath, 'PUT', `/v1/tasks/${task}`, body);
  expect(reply.status === 201, `the agent refused the start: ${problemText(reply)}`);
  tell('state', `${reply.body.state}, until ${reply.body.deadline}`);
  return reply.body;
};
