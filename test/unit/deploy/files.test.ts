// Reads what deploy/ ships: it parses, names only files that exist, and has the lines that keep promises.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const yaml = <T>(path: string): T => parse(read(path)) as T;

/** Compose services as far as they are looked at here. */
type Service = {
  image: string;
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  volumes?: string[];
  tmpfs?: string[];
  networks?: string[];
  build?: { context: string; dockerfile: string };
  depends_on?: Record<string, unknown>;
};
type Compose = {
  services: Record<string, Service>;
  volumes: Record<string, { driver_opts?: { type: string; o: string } }>;
  networks: Record<string, unknown>;
};

/** `[section, key, value]` of a unit file, comments and continued lines left out. */
const unit = (name: string): string[] => {
  let section = '';
  return read(`deploy/systemd/${name}`)
    .split('\n')
    .filter((line) => line !== '' && !/^[#;]/.test(line))
    .flatMap((line) => {
      if (!line.startsWith('[')) return [`${section} ${line}`];
      section = line;
      return [];
    });
};

/** The sources of a Dockerfile's COPY lines that come from the build context. */
const copied = (path: string): string[] =>
  read(path)
    .split('\n')
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(/\s+/).slice(1, -1));

describe('agent.yaml', () => {
  const keysOf = (value: unknown, prefix = ''): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, inner]) => [prefix + key, ...keysOf(inner, `${prefix}${key}.`)])
      : [];

  test('names every setting, those that are off included, and no other', () => {
    const everything = read('deploy/agent.yaml').replace(/^(\s*)#(?=\S)/gm, '$1');
    const vault = [
      'address',
      'standbys',
      'namespace',
      'ca_file',
      'auth',
      'session_role',
      'token_role',
      'allow_broad_session',
      'leash',
      'timeout',
    ];
    const auth = ['method', 'mount', 'role_id_file', 'secret_id_file', 'secret_id_wrapped'];
    expect(keysOf(parse(everything)).sort()).toEqual(
      [
        ...[
          'vault',
          'socket',
          'sockets',
          'runtime_dir',
          'secrets_dir',
          'state_dir',
          'profiles_dir',
          'limits',
          'on_exit',
        ],
        ...['stop_timeout', 'metrics', 'log', 'tasks'],
        ...vault.map((key) => `vault.${key}`),
        ...auth.map((key) => `vault.auth.${key}`),
        ...['socket.path', 'socket.mode', 'socket.group', 'metrics.listen', 'log.level'],
        ...['limits.tasks', 'limits.tasks_per_uid', 'limits.starts_per_minute'],
      ].sort(),
    );
  });

  test('has nothing but these keys in the compose variant', () => {
    const known = new Set(keysOf(parse(read('deploy/agent.yaml').replace(/^(\s*)#(?=\S)/gm, '$1'))));
    expect(keysOf(yaml('deploy/compose/agent.yaml')).filter((key) => !known.has(key))).toEqual([]);
  });
});

describe('docker-compose.yml', () => {
  const compose = yaml<Compose>('docker-compose.yml');
  const { agent, workload } = compose.services as { agent: Service; workload: Service };
  const mounts = (service: Service) =>
    (service.volumes ?? []).map((text) => {
      const [source = '', target = '', mode = 'rw'] = text.split(':');
      return { source, target, mode };
    });

  test('references only files, volumes, networks and services that exist', () => {
    for (const [name, service] of Object.entries(compose.services)) {
      for (const { source } of mounts(service)) {
        const known = source.startsWith('./') ? existsSync(join(ROOT, source)) : source in compose.volumes;
        expect([name, source, known]).toEqual([name, source, true]);
      }
      for (const network of service.networks ?? []) expect(compose.networks).toHaveProperty(network);
      for (const other of Object.keys(service.depends_on ?? {}))
        expect(compose.services).toHaveProperty(other);
      if (service.build) expect(existsSync(join(ROOT, service.build.dockerfile))).toBe(true);
    }
  });

  test('secrets, socket and the private directory are tmpfs that belong to the agent', () => {
    for (const [name, mode] of [
      ['secrets', '0711'],
      ['socket', '0711'],
      ['private', '0700'],
    ] as const) {
      const options = compose.volumes[name]!.driver_opts!;
      expect(options.type).toBe('tmpfs');
      expect(options.o.split(',')).toEqual(
        expect.arrayContaining([`mode=${mode}`, 'uid=10001', 'gid=10001', 'nosuid', 'nodev', 'noexec']),
      );
    }
  });

  test('the workload sees neither the agent’s private directory, state and login, nor Vault', () => {
    const settings = yaml<Record<string, string>>('deploy/compose/agent.yaml');
    expect(mounts(workload)).toEqual([
      { source: 'socket', target: '/run/tasklease', mode: 'ro' },
      { source: 'secrets', target: settings.secrets_dir, mode: 'ro' },
    ]);
    expect(mounts(agent)).toContainEqual({ source: 'private', target: settings.runtime_dir, mode: 'rw' });
    const common = (one: Service, other: Service) =>
      one.networks!.filter((name) => other.networks!.includes(name));
    expect(common(workload, compose.services.vault!)).toEqual([]);
    expect(common(workload, agent)).toEqual([]);
    expect(common(workload, compose.services.postgres!)).toEqual(['database']);
  });

  test('agent and workload agree on paths, users and the profile', () => {
    const settings = yaml<{ secrets_dir: string; state_dir: string; profiles_dir: string }>(
      'deploy/compose/agent.yaml',
    );
    const targets = mounts(agent).map((mount) => mount.target);
    for (const dir of [settings.secrets_dir, settings.state_dir, settings.profiles_dir]) {
      expect(targets).toContain(dir);
    }
    expect(read('deploy/Dockerfile')).toContain('USER 10001:10001');
    const [uid, gid] = workload.user!.split(':').map(Number);
    expect(gid).toBe(10_001); // the group that makes 0440 files readable
    const profile = yaml<{ profile: string; allow: { uids: number[] }; bind: string }>(
      'deploy/compose/profiles/report-read.yaml',
    );
    expect(profile).toMatchObject({ profile: 'report-read', allow: { uids: [uid] }, bind: 'required' });
  });

  test('what touches secrets is read-only and without capabilities', () => {
    for (const service of [agent, workload]) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    }
  });

  test('the policies that the profiles name are shipped', () => {
    const policies = readdirSync(join(ROOT, 'vault-policies'));
    for (const file of readdirSync(join(ROOT, 'deploy/compose/profiles'))) {
      const profile = yaml<{ profile: string; vault: { policies: string[] } }>(
        `deploy/compose/profiles/${file}`,
      );
      expect(`${profile.profile}.yaml`).toBe(file);
      for (const policy of profile.vault.policies) {
        expect(policies).toContain(`${policy.replace(/^tasklease-/, '')}.hcl`);
      }
    }
    for (const [, file] of read('deploy/compose/setup.sh').matchAll(/@\$policies\/([\w.-]+)/g)) {
      expect(policies).toContain(file);
    }
  });
});

describe('images', () => {
  const files = ['deploy/Dockerfile', 'deploy/compose/workload.Dockerfile'];

  test.each(files)('%s copies only what exists and what .dockerignore lets through', (file) => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = copied(file);
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) {
      expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
      expect(allowed).toContain(source);
    }
  });

  test('what .dockerignore names exists', () => {
    for (const line of read('.dockerignore').split('\n')) {
      if (line.startsWith('!')) expect([line, existsSync(join(ROOT, line.slice(1)))]).toEqual([line, true]);
    }
  });

  test('the agent’s image is not root, has labels, health check and the documented command', () => {
    const text = read('deploy/Dockerfile');
    for (const label of ['title', 'description', 'licenses', 'version', 'revision', 'created']) {
      expect(text).toContain(`org.opencontainers.image.${label}=`);
    }
    expect(text).toMatch(/^HEALTHCHECK .*CMD \["tasklease", "health"\]$/m);
    expect(text).toMatch(/^ENTRYPOINT \["tasklease"\]$/m);
    expect(text).toMatch(/^CMD \["agent", "--config", "\/etc\/tasklease\/agent.yaml"\]$/m);
    expect(text).not.toMatch(/^VOLUME/m); // an anonymous volume would be a disk
    expect(text.split('\n').findLast((line) => line.startsWith('USER '))).toBe('USER 10001:10001');
  });

  test('scripts that images copy are executable', () => {
    for (const file of ['deploy/tasklease.sh', 'deploy/compose/workload.sh', 'deploy/compose/report.sh']) {
      accessSync(join(ROOT, file), constants.X_OK);
    }
  });
});

describe('systemd', () => {
  const service = unit('tasklease.service');
  const value = (key: string): string | undefined =>
    service.find((line) => line.startsWith(`[Service] ${key}=`))?.slice(`[Service] ${key}=`.length);

  test('the service is confined', () => {
    const lines = [
      ...[
        'User=tasklease',
        'ProtectSystem=strict',
        'ProtectHome=yes',
        'PrivateTmp=yes',
        'PrivateDevices=yes',
      ],
      ...['NoNewPrivileges=yes', 'CapabilityBoundingSet=CAP_CHOWN', 'AmbientCapabilities=CAP_CHOWN'],
      ...['RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6', 'SystemCallFilter=@system-service'],
      ...['SystemCallArchitectures=native', 'RestrictNamespaces=yes', 'RestrictSUIDSGID=yes', 'UMask=0077'],
      ...[
        'LimitCORE=0',
        'LimitNOFILE=65536',
        'MemorySwapMax=0',
        'OOMScoreAdjust=-900',
        'LockPersonality=yes',
      ],
      ...['RuntimeDirectory=tasklease-private', 'RuntimeDirectoryMode=0700', 'StateDirectoryMode=0700'],
    ];
    for (const line of lines) expect(service).toContain(`[Service] ${line}`);
    expect(value('UnsetEnvironment')!.split(' ')).toEqual(
      expect.arrayContaining(['NODE_OPTIONS', 'VAULT_TOKEN']),
    );
    expect(value('MemoryDenyWriteExecute')).toBeUndefined(); // V8 compiles at run time
    expect(value('ProtectProc')).toBeUndefined(); // the agent looks at its callers' processes
  });

  test('it is restarted unless its configuration is wrong, and stops no sooner than stop_timeout', () => {
    expect(service).toContain('[Service] Restart=always');
    expect(service).toContain('[Service] RestartPreventExitStatus=78');
    expect(service).toContain('[Service] KillSignal=SIGTERM');
    const stopTimeout = Number.parseInt(yaml<{ stop_timeout: string }>('deploy/agent.yaml').stop_timeout, 10);
    expect(Number(value('TimeoutStopSec'))).toBeGreaterThan(stopTimeout);
  });

  test('unit, mount, tmpfiles and agent.yaml name the same places', () => {
    const settings = yaml<{
      secrets_dir: string;
      runtime_dir: string;
      socket: { path: string };
      vault: { auth: { secret_id_file: string } };
    }>('deploy/agent.yaml');
    expect(service).toContain(`[Unit] RequiresMountsFor=${settings.secrets_dir}`);
    expect(unit('run-tasklease-tasks.mount')).toContain(`[Mount] Where=${settings.secrets_dir}`);
    expect(settings.runtime_dir).toBe(`/run/${value('RuntimeDirectory')}`);
    expect(value('LoadCredential')).toMatch(/^secret-id:/);
    expect(settings.vault.auth.secret_id_file).toBe('secret-id');
    expect(unit('tasklease.socket')).toContain(`[Socket] ListenStream=${settings.socket.path}`);
    expect(read('deploy/systemd/tasklease.tmpfiles.conf')).toMatch(
      /^d \/run\/tasklease 0711 tasklease tasklease/m,
    );
    expect(read('deploy/systemd/tasklease.sysusers.conf')).toMatch(/^u tasklease /m);
  });

  test('the tmpfs is out of reach of swap, programs and devices', () => {
    const options = unit('run-tasklease-tasks.mount').find((line) => line.startsWith('[Mount] Options='))!;
    for (const option of ['noswap', 'nosuid', 'nodev', 'noexec', 'mode=0711'])
      expect(options).toContain(option);
  });

  test('the socket unit hands over what agent.yaml declares, under the name that the agent expects', () => {
    const { path, mode, group } = yaml<{ socket: { path: string; mode: string; group: string } }>(
      'deploy/agent.yaml',
    ).socket;
    const socket = unit('tasklease.socket');
    for (const line of [
      ...[`ListenStream=${path}`, `SocketMode=${mode}`, `SocketGroup=${group}`, 'SocketUser=tasklease'],
      ...['FileDescriptorName=agent', 'Accept=no'],
    ]) {
      expect(socket).toContain(`[Socket] ${line}`);
    }
    expect(socket).toContain('[Install] WantedBy=sockets.target');
    // Optional: without it the service opens its socket itself.
    expect(service.some((line) => line.includes('tasklease.socket'))).toBe(false);
  });

  const analyze = '/usr/bin/systemd-analyze';
  if (existsSync(analyze)) {
    test('systemd itself finds nothing wrong with the units', () => {
      const dir = mkdtempSync(join(tmpdir(), 'tasklease-units-'));
      try {
        const names = readdirSync(join(ROOT, 'deploy/systemd')).filter((name) => !name.endsWith('.conf'));
        for (const name of names) {
          // The command is installed where the units are; here any executable stands for it.
          const text = read(`deploy/systemd/${name}`).replaceAll('/usr/local/bin/tasklease', '/bin/true');
          writeFileSync(join(dir, name), text);
        }
        const { stdout, stderr, status } = spawnSync(
          analyze,
          ['verify', '--man=no', ...names.map((name) => join(dir, name))],
          { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', HOME: dir, XDG_RUNTIME_DIR: dir } },
        );
        const said = `${stdout}${stderr}`
          .split('\n')
          .filter((line) => names.some((name) => line.includes(name)));
        expect(said).toEqual([]);
        expect(status, stderr).toBe(0);
      } finally {
        rmSync(dir, { recursive: true });
      }
    });
  }
});

test('LICENSE is the whole Apache License 2.0, as package.json says', () => {
  const text = read('LICENSE');
  expect(text).toContain('Version 2.0, January 2004');
  expect(text).toContain('END OF TERMS AND CONDITIONS');
  expect((JSON.parse(read('package.json')) as { license: string }).license).toBe('Apache-2.0');
});
