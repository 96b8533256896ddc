// Owns the memory that starting took and living does not need: parsed sources, schemas, the configuration's text.
// Invariant: given back once, a moment after the agent listens, so that no first caller waits for it.

/** Long enough for the first callers, who have waited for the socket; short enough to be called idle. */
const LATER_MS = 500;

/** V8 keeps the room that its young generation once needed until a collection that is asked for (--expose-gc). */
export function releaseStartupMemory(): void {
  const { gc } = globalThis;
  if (gc === undefined) return;
  setTimeout(() => void gc({ type: 'major', execution: 'async', flavor: 'last-resort' }), LATER_MS).unref();
}
