// Owns the step from profiles and a Vault to the plan of what would change there. Invariant: Vault is only read.

import { paint, print, say } from '../../cli/output.ts';
import { type Kit, renderKit } from '../../policy/kit.ts';
import { type Change, type Current, planOf } from '../../policy/plan.ts';
import { type Given, type Inputs, inputOptions, readInputs } from './inputs.ts';
import { accessorsFrom } from './mounts.ts';
import { type AdminValues, adminOptions, openAdmin, type VaultAdmin } from './vault-admin.ts';

export const planOptions = {
  ...inputOptions,
  ...adminOptions,
  'any-profiles': { type: 'boolean' },
  'take-over': { type: 'boolean' },
} as const;

export const PLAN = `  --any-profiles       leave the session and the token role open for profiles to come
  --take-over          replace policies of these names that were not made by tasklease`;

type PlanValues = Inputs &
  AdminValues & { readonly 'any-profiles'?: boolean | undefined; readonly 'take-over'?: boolean | undefined };

/** Shows what would change, with what is to be noted about it; then `act` has the plan, and the Vault while it is open. */
export async function planned(
  command: string,
  values: PlanValues,
  show: (changes: readonly Change[], address: string) => string,
  act: (changes: readonly Change[], vault: VaultAdmin, given: Given) => number | Promise<number>,
): Promise<number> {
  const given = readInputs(command, values);
  const vault = openAdmin(command, values, given.config);
  try {
    const { changes, kit } = await planAt(vault, given, {
      takeOver: values['take-over'] === true,
      anyProfiles: values['any-profiles'] === true,
    });
    print(show(changes, vault.address));
    for (const note of [...kit.notes, ...warnings(changes)]) say(`note: ${note}`);
    return await act(changes, vault, given);
  } finally {
    vault.close();
  }
}

interface PlanOptions {
  readonly takeOver: boolean;
  readonly anyProfiles: boolean;
}

interface Planned {
  readonly changes: readonly Change[];
  readonly kit: Kit;
}

async function planAt(vault: VaultAdmin, given: Given, options: PlanOptions): Promise<Planned> {
  const base = {
    names: given.names,
    anyProfiles: options.anyProfiles,
    ...(given.only && { only: given.only }),
  };
  const { mounts } = renderKit(given.profiles, base);
  const accessors = await accessorsFrom(vault, mounts, given.accessors);
  const kit = renderKit(given.profiles, { ...base, accessors });
  const needsUses = given.profiles.some(({ allow }) => allow.assertion?.onceInFleet === true);
  const wanted = { kit, usesMount: needsUses ? given.names.usesMount : null, takeOver: options.takeOver };
  return { kit, changes: planOf(wanted, await currentOf(vault, kit)) };
}

async function currentOf(vault: VaultAdmin, kit: Kit): Promise<Current> {
  const policies = new Map<string, string | null>();
  for (const { policy } of kit.policies) {
    const data = await vault.read(`sys/policies/acl/${policy.name}`);
    policies.set(policy.name, typeof data?.policy === 'string' ? data.policy : null);
  }
  const roles = new Map<string, Record<string, unknown> | null>();
  for (const { path } of kit.roles) roles.set(path, await vault.read(path));
  const auth = Object.keys((await vault.read('sys/auth')) ?? {}).map(
    (mount) => `auth/${mount.replace(/\/$/, '')}`,
  );
  const engines = Object.keys((await vault.read('sys/mounts')) ?? {}).map((mount) =>
    mount.replace(/\/$/, ''),
  );
  return { policies, roles, mounts: new Set([...auth, ...engines]) };
}

const COLOURS = { enable: 'green', create: 'green', change: 'yellow', keep: 'dim' } as const;

export function showPlan(changes: readonly Change[], address: string): string {
  if (changes.length === 0) return paint('green', `nothing to change at ${address}`);
  const blocks = changes.map(({ does, what, lines }) =>
    [paint(COLOURS[does], `${does} ${what}`), ...lines.map((line) => `    ${painted(line)}`)].join('\n'),
  );
  return [`At ${address}:`, ...blocks].join('\n\n');
}

const painted = (line: string): string =>
  line.startsWith('+') ? paint('green', line) : line.startsWith('-') ? paint('red', line) : line;

/** Leases of profiles that are not among these any more: the session could not revoke them once the plan is applied. */
const warnings = (changes: readonly Change[]): string[] =>
  changes.some(
    ({ what, lines }) =>
      /^policy tasklease-session/.test(what) && lines.some((line) => /^-.*\/\*"/.test(line)),
  )
    ? [
        'the session loses paths of leases: stop the tasks that still have such leases first, or their revocation is refused',
      ]
    : [];
