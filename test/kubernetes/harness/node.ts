// Owns the node: containerd and the kubelet inside the machine, with settings of their own, and the images that the pods
// run. Invariant: no registry is asked; images come from this repository's Dockerfiles, by way of Podman.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { untilReady } from '../../../src/dev/children.ts';
import { CACHE, type Engine, startEngine } from '../../containers/engine.ts';
import { makeImages } from '../../containers/images.ts';
import { until } from '../../harness/until.ts';
import type { ControlPlane } from './control-plane.ts';
import { CONTROL_GROUP, LINK_SUBNET, type Machine, NODE_ADDRESS, POD_SUBNET } from './machine.ts';
import { CNI_DIRECTORY, type Programs, SEARCH } from './programs.ts';

const run = promisify(execFile);
export const NODE_NAME = 'tasklease-node';
/** Under the names that the test's overlay gives to the shipped images. */
export const IMAGES = { agent: 'localhost/tasklease:test', workload: 'localhost/tasklease-workload:test' };
/** Three hundred megabytes are written, on a slow disk. */
const PATIENCE_MS = 600_000;
const PAUSE = 'localhost/tasklease-pause:test';
/** Holds a pod's namespaces. It is ended with SIGKILL. */
const PAUSE_RECIPE = 'FROM docker.io/library/debian:bookworm-slim\nCMD ["sleep", "infinity"]\n';

/** An archive with all images, made by Podman and kept for as long as they are the same. */
export async function packImages(): Promise<string> {
  const archive = join(CACHE, 'kubernetes-images.tar');
  const engine = await startEngine();
  const context = await mkdtemp(join(CACHE, 'context-'));
  try {
    await makeImages(engine);
    await tag(engine, 'tasklease:local', IMAGES.agent);
    await tag(engine, 'tasklease-workload:local', IMAGES.workload);
    writeFileSync(join(context, 'Containerfile'), PAUSE_RECIPE);
    await engine.podman(['build', '--format=docker', '--pull=never', '--tag', PAUSE, context]);
    const images = [...Object.values(IMAGES), PAUSE];
    const ids = await engine.podman(['image', 'inspect', '--format', '{{.Id}}', ...images]);
    if (existsSync(`${archive}.ids`) && readFileSync(`${archive}.ids`, 'utf8') === ids) return archive;
    const part = join(context, 'images.tar');
    await engine.podman(
      ['save', '--multi-image-archive', '--format=docker-archive', '--output', part, ...images],
      PATIENCE_MS,
    );
    rmSync(`${archive}.ids`, { force: true });
    renameSync(part, archive);
    writeFileSync(`${archive}.ids`, ids);
    return archive;
  } finally {
    rmSync(context, { recursive: true, force: true });
    await engine.close();
  }
}

const tag = (engine: Engine, from: string, to: string): Promise<string> => engine.podman(['tag', from, to]);

/** Starts containerd and the kubelet; answers once the node is ready and has its images. */
export async function startNode(
  machine: Machine,
  programs: Programs,
  plane: ControlPlane,
  archive: string,
): Promise<void> {
  const file = (name: string): string => join(machine.directory, name);
  const socket = file('containerd.sock');
  writeFileSync(file('containerd.toml'), containerdSettings(machine.directory));
  mkdirSync(file('cni'));
  writeFileSync(file('cni/10-pods.conflist'), JSON.stringify(network));
  const containerd = await machine.launch(
    'containerd',
    ['containerd', '--config', file('containerd.toml')],
    'machine',
  );
  const ctr = (args: readonly string[]) =>
    run('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args], {
      env: { PATH: SEARCH },
      timeout: 300_000,
    });
  await untilReady('containerd', containerd, file('containerd.log'), async () => {
    return ctr(['version']).then(
      () => true,
      () => false,
    );
  });
  await ctr(['images', 'import', archive]);

  writeFileSync(file('kubelet.yaml'), JSON.stringify(kubeletSettings(machine.directory)));
  await machine.launch(
    'kubelet',
    [
      ...[programs.kubelet, `--config=${file('kubelet.yaml')}`, `--kubeconfig=${plane.kubeconfig}`],
      ...[`--root-dir=${file('kubelet')}`, `--cert-dir=${file('kubelet-pki')}`],
      ...[`--node-ip=${NODE_ADDRESS}`, `--hostname-override=${NODE_NAME}`],
    ],
    'machine',
  );
  await until(
    'the node is ready',
    async () => {
      const path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
      return (await plane.kubectl(['get', 'node', NODE_NAME, '--output', path])) === 'True';
    },
    120_000,
  );
}

/** Pods reach the host's end of the machine's link, and nothing beyond. */
const network = {
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'pods',
      isGateway: true,
      ipMasq: false,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: POD_SUBNET }]],
        routes: [{ dst: LINK_SUBNET }],
      },
    },
  ],
};

const containerdSettings = (directory: string): string => `
version = 2
root = "${directory}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.restart"]
[grpc]
  address = "${directory}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${CNI_DIRECTORY}"
    conf_dir = "${directory}/cni"
`;

const kubeletSettings = (directory: string): object => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: `unix://${directory}/containerd.sock`,
  address: NODE_ADDRESS,
  // Nobody but the API server reaches this address.
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  cgroupDriver: 'cgroupfs',
  cgroupRoot: `/${CONTROL_GROUP}`,
  failSwapOn: false,
  resolvConf: '',
  makeIPTablesUtilChains: false,
  podLogsDir: `${directory}/pod-logs`,
  volumePluginDir: `${directory}/volume-plugins`,
  // How full this host's disks are is no matter here.
  evictionHard: {
    'memory.available': '0%',
    'nodefs.available': '0%',
    'nodefs.inodesFree': '0%',
    'imagefs.available': '0%',
    'imagefs.inodesFree': '0%',
  },
  imageGCHighThresholdPercent: 100,
});
