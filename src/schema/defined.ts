// Owns one step that every reader of files takes: what was left out is not there, rather than undefined.

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** The same object without its undefined members (exactOptionalPropertyTypes). */
export const defined = <T extends object>(value: T): Defined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<T>;
