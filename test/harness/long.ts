// Owns the switch between `npm test`, which runs the most telling part of what is long, and the whole of it.

/** True in `npm run test:long`. */
export const LONG = process.env.TASKLEASE_LONG === '1';
