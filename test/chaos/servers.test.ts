// Chaos in the servers and in the machine: Vault, PostgreSQL, the agent's own death, and what runs short.
import { postgres } from './postgres.ts';
import { recovery } from './recovery.ts';
import { resources } from './resources.ts';
import { promise } from './scenario.ts';
import { storm } from './storm.ts';
import { vault } from './vault.ts';

promise(vault, postgres, recovery, resources, storm);
