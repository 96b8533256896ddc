// Owns what is laid over the shipped deployment: settings, profiles and policies of a test, in a directory of its own
// outside the repository. Invariant: a key that a test does not name is as shipped.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import type { ProfileBody } from '../harness/sample-profiles.ts';
import type { Json } from '../harness/socket-api.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface DeploymentOptions {
  /** Where the agent's socket is, if not where it is as shipped. */
  socket?: string;
  /** Seconds, in agent.yaml and the session role; as shipped when not given. */
  leash?: number;
  /** Profiles beside the shipped one. */
  profiles?: Record<string, ProfileBody>;
  /** Edits the settings of the agent. */
  configure?: Edit;
  /** Edits what is laid over docker-compose.yml. */
  overlay?: Edit;
}

/** Changes what it is given in place. */
export type Edit = (document: Json) => void;

export function writeProfile(directory: string, name: string, body: ProfileBody): void {
  writeFileSync(join(directory, `${name}.yaml`), stringify({ profile: name, ...body }));
}

/** The directory that is laid over the shipped one: settings, profiles, policies, and the overlay itself. */
export function writeFiles(directory: string, options: DeploymentOptions): void {
  cpSync(join(ROOT, 'deploy/compose/profiles'), join(directory, 'profiles'), { recursive: true });
  for (const [name, body] of Object.entries(options.profiles ?? {})) {
    writeProfile(join(directory, 'profiles'), name, body);
  }
  cpSync(join(ROOT, 'vault-policies'), join(directory, 'policies'), { recursive: true });
  if (options.leash !== undefined) {
    const role = join(directory, 'policies/session-role.json');
    const body = { ...JSON.parse(readFileSync(role, 'utf8')), token_period: `${options.leash}s` };
    writeFileSync(role, JSON.stringify(body));
  }
  writeConfig(directory, options);
  writeOverlay(directory, options);
}

/** agent.yaml as shipped, with the edit of the options and another one after it. */
export function writeConfig(directory: string, options: DeploymentOptions, edit?: Edit): void {
  const config = parse(readFileSync(join(ROOT, 'deploy/compose/agent.yaml'), 'utf8'));
  if (options.leash !== undefined) config.vault.leash = `${options.leash}s`;
  if (options.socket !== undefined) config.socket.path = options.socket;
  options.configure?.(config);
  edit?.(config);
  writeFileSync(join(directory, 'agent.yaml'), stringify(config));
}

/** Compose's second file, with the edit of the options and another one after it. */
export function writeOverlay(directory: string, options: DeploymentOptions, edit?: Edit): void {
  const overlay: Json = {
    services: {
      setup: { volumes: [`${directory}/policies:/vault-policies:ro`] },
      agent: {
        volumes: [
          `${directory}/agent.yaml:/etc/tasklease/agent.yaml:ro`,
          `${directory}/profiles:/etc/tasklease/profiles:ro`,
        ],
      },
    },
    volumes: parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')).volumes,
  };
  options.overlay?.(overlay);
  edit?.(overlay);
  for (const volume of Object.values<Json>(overlay.volumes)) asPodmanSays(volume);
  writeFileSync(join(directory, 'overlay.yaml'), stringify(overlay));
}

/**
 * Podman reports the owner of a tmpfs volume as options of their own, and docker-compose 1 takes a volume whose
 * options are not those of its file for one that was changed.
 */
function asPodmanSays(volume: Json): void {
  const options = volume?.driver_opts;
  for (const [, name, id] of String(options?.o ?? '').matchAll(/\b([ug]id)=(\d+)/g)) {
    options[name!.toUpperCase()] = id;
  }
}
