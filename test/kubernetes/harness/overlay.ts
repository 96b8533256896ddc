// Owns what a test lays over the shipped manifests. Invariant: the example overlay as shipped, with addresses and images
// changed as its README says; beyond that only what the test names, as overlays of a user's would.

import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import type { Json } from '../../harness/socket-api.ts';
import { IMAGES } from './node.ts';

const SHIPPED = fileURLToPath(new URL('../../../deploy/kubernetes/', import.meta.url));

export interface Overlay {
  /** In place of the shipped report.sh. */
  report?: string;
  /** In agent.yaml. */
  leash?: string;
  /** Profiles beside the shipped one. */
  profiles?: Readonly<Record<string, Json>>;
  /** Strategic merge patches. */
  patches?: readonly Json[];
}

/** Writes it below `directory` and answers where. */
export function writeOverlay(
  directory: string,
  overlay: Overlay,
  addresses: Readonly<Record<string, string>>,
): string {
  const copy = mkdtempSync(join(directory, 'manifests-'));
  cpSync(SHIPPED, copy, { recursive: true });
  const own = join(copy, 'overlays/example');
  const path = join(own, 'kustomization.yaml');
  const kustomization = parse(readFileSync(path, 'utf8'));
  for (const image of kustomization.images) {
    const [newName, newTag] = (image.name === 'tasklease' ? IMAGES.agent : IMAGES.workload).split(':');
    Object.assign(image, { newName, newTag });
  }
  for (const generator of kustomization.configMapGenerator) {
    generator.literals = generator.literals.map((literal: string) => {
      const [name] = literal.split('=');
      return `${name}=${addresses[name!]}`;
    });
  }
  const merge = (name: string, file: string, text: string) => {
    writeFileSync(join(own, file), text);
    kustomization.configMapGenerator.push({ name, behavior: 'merge', files: [file] });
  };
  if (overlay.report !== undefined) merge('report', 'report.sh', overlay.report);
  if (overlay.leash !== undefined) {
    const agent = parse(readFileSync(join(copy, 'base/agent.yaml'), 'utf8'));
    agent.vault.leash = overlay.leash;
    merge('agent-config', 'agent.yaml', stringify(agent));
  }
  for (const [name, body] of Object.entries(overlay.profiles ?? {})) {
    merge('profiles', `${name}.yaml`, stringify({ profile: name, ...body }));
  }
  kustomization.patches = (overlay.patches ?? []).map((patch) => ({ patch: stringify(patch) }));
  writeFileSync(path, stringify(kustomization));
  return own;
}
