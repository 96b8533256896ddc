// Owns the programs of a Kubernetes node: those of Kubernetes and etcd, built once from their Go modules (node-build/),
// and those of Debian. Invariant: what is lacking on this machine is told in one sentence, with what to do.

import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { underLock } from '../../../src/dev/build-lock.ts';
import { buildWithGo, hasGo } from '../../../src/dev/go-build.ts';
import { progressTo } from '../../../src/dev/progress.ts';
import { cached } from '../../../src/dev/vault-build.ts';

/** The version that node-build/go.mod pins, and the key of the cache. */
export const KUBERNETES_VERSION = '1.34.2';

const SOURCES = fileURLToPath(new URL('../node-build/', import.meta.url));
const BUILT = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kubectl',
] as const;
/** Program → its Debian package. The containers' engine says itself what it lacks. */
const INSTALLED = {
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  podman: 'podman',
};
const CNI_PLUGINS = ['bridge', 'host-local', 'loopback'];
export const CNI_DIRECTORY = '/usr/lib/cni';

/** For what is started: Debian keeps runc and ip where an ordinary PATH does not look. */
export const SEARCH = `${process.env.PATH ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`;

export type Programs = Readonly<Record<(typeof BUILT)[number], string>>;

const onPath = (name: string): boolean => SEARCH.split(delimiter).some((dir) => existsSync(join(dir, name)));

/** Finds or builds them, with progress on standard error. Rejects when something is lacking. */
export async function nodePrograms(): Promise<Programs> {
  if (process.getuid!() !== 0) {
    throw new Error('The Kubernetes tests need root, for namespaces and cgroups: run them as root.');
  }
  const lacking = Object.entries(INSTALLED).flatMap(([name, source]) => (onPath(name) ? [] : [source]));
  if (CNI_PLUGINS.some((name) => !existsSync(join(CNI_DIRECTORY, name)))) {
    lacking.push('containernetworking-plugins');
  }
  if (lacking.length > 0) {
    const packages = [...new Set(lacking)].join(' ');
    throw new Error(
      `The Kubernetes tests need ${packages}: apt-get install --no-install-recommends ${packages}`,
    );
  }
  const dir = cached(`kubernetes-${KUBERNETES_VERSION}`);
  const target = join(dir, 'bin');
  const log = progressTo();
  mkdirSync(dir, { recursive: true });
  await underLock(
    join(dir, 'lock'),
    () => existsSync(target),
    () => build(target),
    () => log.line(`Kubernetes: another process is building it; waiting for ${target}`),
  );
  return Object.fromEntries(BUILT.map((name) => [name, join(target, name)])) as Programs;
}

async function build(target: string): Promise<void> {
  if (!hasGo()) {
    throw new Error(
      `The Kubernetes tests build Kubernetes ${KUBERNETES_VERSION} once, and there is no Go toolchain ("go") on PATH: install Go (https://go.dev/dl).`,
    );
  }
  const version = 'k8s.io/component-base/version';
  await buildWithGo(
    {
      name: `Kubernetes ${KUBERNETES_VERSION}`,
      sources: SOURCES,
      packages: './...',
      target,
      linkerFlags: `-X ${version}.gitVersion=v${KUBERNETES_VERSION} -X ${version}.gitMajor=1 -X ${version}.gitMinor=34`,
      env: { CGO_ENABLED: '0' },
      compiles: 2_700,
      takes: 'ten minutes',
    },
    progressTo(),
  );
}
