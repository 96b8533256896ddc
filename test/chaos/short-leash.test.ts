// Chaos with a leash of ten seconds: what an administrator changes by hand, the session, a damaged journal.
import { frozenBeyondTheLeash } from './bars.ts';
import { byHand } from './by-hand.ts';
import { journal } from './journal.ts';
import { promise } from './scenario.ts';
import { session } from './session.ts';

promise(byHand, session, frozenBeyondTheLeash, journal);
