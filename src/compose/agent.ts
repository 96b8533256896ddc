// Owns the wiring of the agent: the only place that knows every layer. Invariant: opened in order, each
// step failing with its reason; the sockets last, so that nobody can call an agent that has not recovered.

import { dirname, join } from 'node:path';
import { openAssertions } from '../adapters/assertion/assertions.ts';
import { KeySources } from '../adapters/assertion/key-source.ts';
import {
  privateDirectory,
  privateMemoryDirectory,
  readDirectory,
  secretsDirectory,
  socketDirectory,
} from '../adapters/files/directory.ts';
import { memoryProblem } from '../adapters/files/memory.ts';
import { openTmpfsFiles } from '../adapters/files/tmpfs-files.ts';
import { apartFromWorkloads } from '../adapters/files/volumes.ts';
import { openJournal } from '../adapters/journal/sqlite-journal.ts';
import { openLedger } from '../adapters/ledger/file-ledger.ts';
import { openLiveness } from '../adapters/peer/liveness.ts';
import { openProbes } from '../adapters/probe/probes.ts';
import type { Settings } from '../adapters/settings/agent-settings.ts';
import { followProfiles } from '../adapters/settings/profile-files.ts';
import { SettingsFault } from '../adapters/settings/yaml-file.ts';
import { handedOver } from '../adapters/system/activation.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { bootId, harden, lockDirectory } from '../adapters/system/host.ts';
import { openServiceManager } from '../adapters/system/notify.ts';
import { sessionFile } from '../adapters/system/session-file.ts';
import { releaseStartupMemory } from '../adapters/system/startup-memory.ts';
import { openLog } from '../adapters/telemetry/logger.ts';
import { Metrics } from '../adapters/telemetry/metrics.ts';
import { openTraces } from '../adapters/telemetry/otel-traces.ts';
import { openProcessMetrics } from '../adapters/telemetry/process-metrics.ts';
import { connectVault } from '../adapters/vault/vault-client.ts';
import { Agent } from '../engine/agent.ts';
import { FileFaults } from '../engine/file-faults.ts';
import { gauges } from '../engine/gauges.ts';
import { observe, profileSink } from '../engine/observe.ts';
import { Vitals } from '../engine/vitals.ts';
import { WatchedLedger } from '../engine/watched-ledger.ts';
import { watchedVault } from '../engine/watched-vault.ts';
import type { Samples } from '../ports/metrics.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { AgentConfig } from '../schema/config.ts';
import { startOwnTasks } from '../server/own-tasks.ts';
import type { Service } from '../server/routes.ts';
import { followFiles } from './followed-files.ts';
import { ledgerDirectory, ledgerOptions } from './ledger.ts';
import { sha256 } from './sha256.ts';
import { expectedSockets, listen, workloadSockets } from './sockets.ts';
import { superviseBy } from './supervision.ts';
import { tasksTracer } from './tracing.ts';
import { vaultOptions } from './vault.ts';

export interface RunningAgent {
  /** Revokes everything and closes; how many tasks could not be proved in time. */
  close(): Promise<number>;
}

/** @throws SettingsFault or Problem with what to do */
export async function openAgent(settings: Settings, version: string, pretty = false): Promise<RunningAgent> {
  const { config, environment } = settings;
  harden();
  const given = handedOver(expectedSockets(config), process.env);
  // Directories and sockets get the modes they are made with, whatever the shell or unit says.
  process.umask(0o022);
  const log = openLog(config.log.level, pretty);
  const secretsDir = prepareDirectories(config);
  takeLocks(config, secretsDir);
  const clock = systemClock();
  const metrics = new Metrics();
  const vitals = new Vitals(clock, metrics);
  const traces = await openTraces(process.env, version, log, (...what) => metrics.count(...what));
  const tracer =
    traces &&
    tasksTracer(
      traces,
      (task) => agent.living(task),
      () => journal.agentId(),
    );
  const telemetry: Telemetry = {
    log,
    writes: log.writes,
    count: (metric, labels) => metrics.count(metric, labels),
    phase: (grant, phase, from, to) => {
      metrics.time('tasklease_phase_duration_seconds', (to - from) / 1000, { phase });
      tracer?.phase(grant, phase, from, to);
    },
    traceparent: (grant) => tracer?.traceparent(grant) ?? null,
  };
  const liveness = openLiveness();
  const files = await openTmpfsFiles({ dir: secretsDir, claimFile: join(config.state_dir, 'secrets-dir') });
  const ledger = config.ledger.enabled
    ? new WatchedLedger(openLedger(ledgerOptions(config, clock, log, version)), clock)
    : null;
  const journal = openJournal(join(config.state_dir, 'journal.db'), bootId(), { ledger });
  if (journal.damaged !== null) {
    log('error', 'the journal is damaged', { reason: journal.damaged.message, hint: journal.damaged.hint });
  }
  const faults = new FileFaults(telemetry);
  const keys = new KeySources(() => clock.now().at, faults);
  const vault = connectVault({
    ...vaultOptions(config, environment),
    news: faults,
    secretPaths: () => agent.profiles.secretPaths(),
  });
  const agent: Agent = new Agent(
    {
      clock,
      assertions: openAssertions(keys),
      vault: watchedVault(vault, clock, metrics),
      files,
      journal: vitals.watch(journal),
      liveness,
      probes: openProbes(),
      sessionStore: sessionFile(join(config.runtime_dir, 'session-token')),
      telemetry,
    },
    {
      leashMs: config.vault.leash,
      answerWithinMs: config.vault.timeout,
      sha256,
      limits: {
        tasks: config.limits.tasks,
        tasksPerUid: config.limits.tasks_per_uid,
        startsPerMinute: config.limits.starts_per_minute,
      },
      unready: () => [vitals.unwritable(), memoryProblem(secretsDir)].filter((problem) => problem !== null),
    },
  );
  observe(agent, telemetry, metrics, tracer);
  const unfollow = followProfiles(config.profiles_dir, profileSink(agent, telemetry));
  const { profiles: book } = agent;
  const lookAtTls = () => vault.look();
  const unfollowFiles = followFiles({ settings, profiles: book, keys, lookAtTls, news: faults, log });
  await agent.open();
  const processMetrics = openProcessMetrics(version);
  const service: Service = {
    agent,
    version,
    stuck: () => vitals.stuck(),
    files: faults,
    metrics: () =>
      metrics.text({
        ...gauges(agent),
        ...faults.samples(),
        ...vital(config, vitals),
        ...ledger?.samples(),
        ...processMetrics.samples(),
      }),
  };
  const servers = await listen(service, config, given, telemetry);
  const supervision = superviseBy(openServiceManager(process.env, process.pid), agent, vitals);
  const handed = given.size === 0 ? {} : { handed_over: [...given.keys()] };
  const profiles = agent.profiles.names().length;
  log('info', 'listening', { socket: config.socket.path, profiles, ...handed });
  void startOwnTasks(agent, config.tasks, telemetry);
  releaseStartupMemory();
  return {
    async close() {
      supervision.stopping();
      const left = await agent.close(config.stop_timeout, config.on_exit === 'keep');
      await Promise.all([unfollow(), unfollowFiles(), traces?.close()]);
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      liveness.close();
      await vault.close();
      journal.close();
      ledger?.close();
      processMetrics.close();
      supervision.close();
      return left;
    },
  };
}

const vital = (config: AgentConfig, vitals: Vitals): Samples => ({
  tasklease_live: [{ value: vitals.stuck() === null ? 1 : 0 }],
  tasklease_leash_seconds: [{ value: config.vault.leash / 1000 }],
});

function prepareDirectories(config: AgentConfig): string {
  const socketDirs = workloadSockets(config).map(({ key, path }) => [`${key}.path`, dirname(path)] as const);
  apartFromWorkloads('runtime_dir', config.runtime_dir, [...socketDirs, ['secrets_dir', config.secrets_dir]]);
  privateMemoryDirectory('runtime_dir', config.runtime_dir);
  privateDirectory('state_dir', config.state_dir);
  privateDirectory('state_dir', ledgerDirectory(config));
  readDirectory('profiles_dir', config.profiles_dir);
  for (const [key, dir] of socketDirs) socketDirectory(key, dir);
  return secretsDirectory(config.secrets_dir);
}

/** Two agents on one state, runtime or secrets directory would undo each other's work. */
function takeLocks(config: AgentConfig, secretsDir: string): void {
  for (const [key, dir] of [
    ['state_dir', config.state_dir],
    ['runtime_dir', config.runtime_dir],
    ['secrets_dir', secretsDir],
  ] as const) {
    if (!lockDirectory(dir)) {
      throw new SettingsFault(
        `${key}: another agent runs on ${dir}: stop it, or give this one a directory of its own`,
      );
    }
  }
}
