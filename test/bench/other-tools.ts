// Owns what people use today for one credential, each run as its manual says, once for every task: Vault's own agent
// and consul-template with a template, and the vault command line in a script. Their policies, tokens and AppRole
// are made beforehand; a file of their configuration is written before the clock starts.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../harness/world.ts';
import { besideSecrets, type Contender } from './contender.ts';
import type { Engine } from './engines.ts';
import { endedChildrenMs } from './processor.ts';

export interface Tools {
  readonly vault: string;
  /** Null where it could not be had. */
  readonly consulTemplate: string | null;
  /** Vault's, or that of a proxy in front of it. */
  readonly port: number;
}

interface Login {
  readonly roleId: string;
  readonly secretId: string;
  readonly token: string;
}

/** The command line puts the lease into the path, so its token may revoke every lease below a name. */
const CLI_POLICY = 'path "sys/leases/revoke/*" { capabilities = ["update"] }';

/** An AppRole and a token for each engine's policy, as an administrator hands them out today: used again and again. */
export async function openTools(world: World, tools: Tools) {
  const dir = besideSecrets(world);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: dir,
    VAULT_ADDR: `http://127.0.0.1:${tools.port}`,
    SKIP_SETCAP: '1',
  };
  const logins = new Map<string, Login>();

  const run = (command: string, args: readonly string[], more: Record<string, string> = {}): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        cwd: dir,
        env: { ...env, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          said = (said + text).slice(-2000);
        });
      }
      child.once('error', reject);
      child.once('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')}: exit ${code}\n${said}`)),
      );
    });

  async function must(method: string, path: string, body?: unknown) {
    const reply = await world.vault.request(method, path, body);
    if (reply.status >= 300)
      throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  async function loginFor({ policy, profile }: Engine): Promise<Login> {
    const known = logins.get(policy);
    if (known !== undefined) return known;
    await must('PUT', 'sys/policies/acl/bench-revoke', { policy: CLI_POLICY });
    await must('POST', `auth/approle/role/${profile}`, { token_policies: [policy], token_ttl: '1h' });
    const roleId = (await must('GET', `auth/approle/role/${profile}/role-id`)).data?.role_id as string;
    const secretId = (await must('POST', `auth/approle/role/${profile}/secret-id`, {})).data
      ?.secret_id as string;
    const token = await must('POST', 'auth/token/create', { policies: [policy, 'bench-revoke'], ttl: '1h' });
    const login = { roleId, secretId, token: token.auth!.client_token };
    writeFileSync(join(dir, `${profile}.role-id`), roleId, { mode: 0o600 });
    writeFileSync(join(dir, `${profile}.secret-id`), secretId, { mode: 0o600 });
    logins.set(policy, login);
    return login;
  }

  const fileOf = (engine: Engine, task: string): string => join(dir, `${task}-${engine.file}`);

  /** Vault's agent and consul-template speak the same template language. */
  const templateOf = ({ path, parameters, output }: Engine): string => {
    const words = Object.entries(parameters).map(([key, value]) => ` "${key}=${value}"`);
    return `{{ with secret "${path.slice('/v1/'.length)}"${words.join('')} }}${output}{{ end }}`;
  };

  function agentConfig(engine: Engine, task: string): string {
    const file = join(dir, `${task}.hcl`);
    const config = `
exit_after_auth = ${task !== 'resident'}
pid_file        = ""
vault { address = "${env.VAULT_ADDR}" }
auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "${join(dir, `${engine.profile}.role-id`)}"
      secret_id_file_path                 = "${join(dir, `${engine.profile}.secret-id`)}"
      remove_secret_id_file_after_reading = false
    }
  }
}
template {
  contents    = ${JSON.stringify(templateOf(engine))}
  destination = "${fileOf(engine, task)}"
  perms       = "0400"
}
`;
    writeFileSync(file, config, { mode: 0o600 });
    return file;
  }

  function templateArguments(engine: Engine, task: string): string[] {
    const file = join(dir, `${engine.profile}.tpl`);
    // Once: others may be reading it.
    if (!existsSync(file)) writeFileSync(file, templateOf(engine), { mode: 0o600 });
    return ['-vault-renew-token=false', '-template', `${file}:${fileOf(engine, task)}`];
  }

  const written = (engine: Engine, task: string): void => {
    if (readFileSync(fileOf(engine, task), 'utf8').length < 20)
      throw new Error(`${task}: no secret was written`);
  };

  const vaultAgent: Contender = {
    name: 'vault agent, exit_after_auth',
    atStop: 'nothing: file, token and lease live on to their TTL',
    isCommand: true,
    async start(engine, task) {
      await run(tools.vault, ['agent', '-log-level=error', `-config=${agentConfig(engine, task)}`]);
      written(engine, task);
    },
    cpuMs: endedChildrenMs,
  };

  const vaultCommands: Contender = {
    name: 'vault read, lease revoke -sync',
    atStop: 'file gone, revoked; one token for all; no proof, no record',
    isCommand: true,
    async start(engine, task) {
      const [verb, ...words] =
        engine.method === 'GET'
          ? ['read']
          : ['write', ...Object.entries(engine.parameters).map(([key, value]) => `${key}=${value}`)];
      const script = `umask 077; v=$1 verb=$2 path=$3 file=$4; shift 4; "$v" "$verb" -format=json "$path" "$@" > "$file"`;
      const path = engine.path.slice('/v1/'.length);
      const { token } = await loginFor(engine);
      const args = ['-c', script, 'sh', tools.vault, verb!, path, fileOf(engine, task), ...words];
      await run('/bin/sh', args, { VAULT_TOKEN: token });
      written(engine, task);
      return task;
    },
    async stop(engine, task) {
      const script =
        engine.leases === null
          ? 'rm -f "$2"'
          : `id=$(sed -n 's/^ *"lease_id": "\\(.*\\)",$/\\1/p' "$2"); rm -f "$2"; "$1" lease revoke -sync "$id"`;
      const { token } = await loginFor(engine);
      await run('/bin/sh', ['-c', script, 'sh', tools.vault, fileOf(engine, task as string)], {
        VAULT_TOKEN: token,
      });
    },
    cpuMs: endedChildrenMs,
  };

  const consulTemplate: Contender = {
    name: 'consul-template -once',
    atStop: 'nothing: file and lease live on to their TTL; one token for all',
    isCommand: true,
    async start(engine, task) {
      const { token } = await loginFor(engine);
      await run(tools.consulTemplate!, ['-once', ...templateArguments(engine, task)], { VAULT_TOKEN: token });
      written(engine, task);
    },
    cpuMs: endedChildrenMs,
  };

  return {
    contenders: [vaultAgent, ...(tools.consulTemplate === null ? [] : [consulTemplate]), vaultCommands],
    /** Makes what each engine's logins need, so that no measured start pays for it. */
    prepare: loginFor,
    /** Command lines of those that can stay resident, for the memory that they take when idle. */
    residents: async (engine: Engine) => {
      const { token } = await loginFor(engine);
      const consul = tools.consulTemplate;
      return [
        {
          name: 'vault agent',
          command: tools.vault,
          args: ['agent', '-log-level=error', `-config=${agentConfig(engine, 'resident')}`],
          env,
          file: fileOf(engine, 'resident'),
        },
        ...(consul === null
          ? []
          : [
              {
                name: 'consul-template',
                command: consul,
                args: templateArguments(engine, 'resident-too'),
                env: { ...env, VAULT_TOKEN: token },
                file: fileOf(engine, 'resident-too'),
              },
            ]),
      ];
    },
    /** Takes back what those left behind that take nothing back. */
    async tidy({ leases }: Engine): Promise<void> {
      if (leases !== null) await must('PUT', `sys/leases/revoke-prefix/${leases}`, { sync: true });
    },
  };
}
