// Chaos on the way to Vault: every fault of the proxy on every stretch of a task's life.
import { renew } from './renew.ts';
import { rotate } from './rotate.ts';
import { promise } from './scenario.ts';
import { start } from './start.ts';
import { stop } from './stop.ts';

promise(start, stop, renew, rotate);
