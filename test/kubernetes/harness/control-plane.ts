// Owns the control plane: etcd, API server, controller manager and scheduler, in the machine's network and on its disk.
// Invariant: it answers at the node's address only, to one token that this run made; it lives on when the machine is
// switched off, as the control plane of a cluster does when a node is lost.

import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { untilReady } from '../../../src/dev/children.ts';
import { type Machine, NODE_ADDRESS } from './machine.ts';
import type { Programs } from './programs.ts';

const run = promisify(execFile);
const ETCD = 'http://127.0.0.1:2379';
export const API_SERVER = `https://${NODE_ADDRESS}:6443`;

export interface ControlPlane {
  /** For kubectl and the node's programs, as cluster administrator. */
  readonly kubeconfig: string;
  /** Runs kubectl; rejects with what it said when it fails. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
}

export async function startControlPlane(machine: Machine, programs: Programs): Promise<ControlPlane> {
  const file = (name: string): string => join(machine.directory, name);
  const kubeconfig = file('admin.conf');
  const certificate = file('api/apiserver.crt');

  const kubectl: ControlPlane['kubectl'] = async (args, input) => {
    const env = { HOME: machine.directory, PATH: process.env.PATH, KUBECONFIG: kubeconfig };
    const running = run(programs.kubectl, [...args], { env, timeout: 120_000, maxBuffer: 64 << 20 });
    running.child.stdin!.on('error', () => undefined);
    running.child.stdin!.end(input ?? '');
    try {
      return (await running).stdout;
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: string };
      // Its refusal of a change shows the whole object.
      throw new Error(`kubectl ${args.join(' ')}: ${(stderr?.trim() || message).slice(0, 600)}`);
    }
  };

  await machine.launch(
    'etcd',
    [
      ...[programs.etcd, '--name=node', `--data-dir=${file('etcd')}`, '--unsafe-no-fsync'],
      ...[`--listen-client-urls=${ETCD}`, `--advertise-client-urls=${ETCD}`],
      ...['--listen-peer-urls=http://127.0.0.1:2380', '--log-level=warn'],
    ],
    'network',
  );

  const token = randomBytes(24).toString('hex');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signingKey = file('service-accounts.key');
  writeFileSync(signingKey, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  writeFileSync(file('tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 });
  const server = await machine.launch(
    'kube-apiserver',
    [
      ...[programs['kube-apiserver'], `--etcd-servers=${ETCD}`, `--cert-dir=${file('api')}`],
      // The self-made certificate is for this address.
      ...[`--bind-address=${NODE_ADDRESS}`, `--advertise-address=${NODE_ADDRESS}`, '--secure-port=6443'],
      ...['--service-cluster-ip-range=198.18.79.0/24', '--endpoint-reconciler-type=none'],
      ...['--authorization-mode=RBAC', `--token-auth-file=${file('tokens.csv')}`, '--anonymous-auth=false'],
      ...[`--service-account-key-file=${signingKey}`, `--service-account-signing-key-file=${signingKey}`],
      ...['--service-account-issuer=https://kubernetes.default.svc'],
      ...['--kubelet-preferred-address-types=InternalIP', '--profiling=false'],
    ],
    'network',
  );
  writeFileSync(kubeconfig, '', { mode: 0o600 });
  await untilReady(
    'the API server',
    server,
    file('kube-apiserver.log'),
    async () => {
      try {
        writeFileSync(kubeconfig, kubeconfigWith(readFileSync(certificate, 'base64'), token));
        return (await kubectl(['get', '--raw', '/readyz'])) === 'ok';
      } catch {
        return false;
      }
    },
    180_000,
  );

  await machine.launch(
    'kube-controller-manager',
    [
      ...[programs['kube-controller-manager'], `--kubeconfig=${kubeconfig}`, '--leader-elect=false'],
      ...[`--service-account-private-key-file=${signingKey}`, `--root-ca-file=${certificate}`],
      ...['--use-service-account-credentials=false', `--cert-dir=${file('controller-manager')}`],
      ...['--bind-address=127.0.0.1', '--profiling=false'],
    ],
    'network',
  );
  await machine.launch(
    'kube-scheduler',
    [
      ...[programs['kube-scheduler'], `--kubeconfig=${kubeconfig}`, '--leader-elect=false'],
      ...['--bind-address=127.0.0.1', `--cert-dir=${file('scheduler')}`, '--profiling=false'],
    ],
    'network',
  );
  return { kubeconfig, kubectl };
}

const kubeconfigWith = (certificate: string, token: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'node',
    clusters: [{ name: 'node', cluster: { server: API_SERVER, 'certificate-authority-data': certificate } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'node', context: { cluster: 'node', user: 'admin' } }],
  });
