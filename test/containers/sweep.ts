// Owns the removal of deployments: one that failed, and those of test runs that were killed before they could take
// theirs down. Invariant: a deployment whose test process lives is left alone.
import type { Engine } from './engine.ts';

interface Thing {
  readonly kind: 'container' | 'volume' | 'network';
  readonly name: string;
}

/** All that Podman has of any deployment. In the order in which it can be removed. */
export async function everything(engine: Engine): Promise<Thing[]> {
  const list = async (kind: Thing['kind'], ...options: string[]): Promise<Thing[]> => {
    const names = await engine.podman([kind, 'ls', ...options]);
    return names.split('\n').flatMap((name) => (/^tasklease-\d+-/.test(name) ? [{ kind, name }] : []));
  };
  return [
    ...(await list('container', '--all', '--format', '{{.Names}}')),
    ...(await list('volume', '--format', '{{.Name}}')),
    ...(await list('network', '--format', '{{.Name}}')),
  ];
}

/** Removes what is left of `project`; without one, of every deployment whose test process is gone. */
export async function sweep(engine: Engine, project?: string): Promise<void> {
  for (const { kind, name } of await everything(engine)) {
    const owner = Number(/^tasklease-(\d+)-/.exec(name)![1]);
    if (project === undefined ? isAlive(owner) : !name.startsWith(project)) continue;
    const options = kind === 'container' ? ['--time', '0', '--volumes'] : [];
    await engine.run('podman', [kind, 'rm', '--force', ...options, name]);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
