// The bars of an outage and of a frozen agent.
import { bars } from './bars.ts';
import { promise } from './scenario.ts';

promise(bars);
