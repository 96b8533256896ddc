// Owns the identifiers of the domain and the rule each must meet. Invariant: a branded id is only
// made by the parser beside it, so whatever holds one may put it in a path.

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** The caller's name for a task; also the name of its directory. */
export type TaskId = Branded<'TaskId'>;
/** One life of a task id: `<task>#<n>`. A task id whose start failed may have several. */
export type GrantId = Branded<'GrantId'>;
export type ProfileName = Branded<'ProfileName'>;

const TASK_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const PROFILE_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/i;

export const isTaskId = (text: string): text is TaskId => TASK_ID.test(text);
export const isProfileName = (text: string): text is ProfileName => PROFILE_NAME.test(text);
export const grantId = (task: TaskId, n: number): GrantId => `${task}#${n}` as GrantId;

/** The rule of a task id, for messages. */
export const TASK_ID_RULE = 'a letter or digit, then up to 127 letters, digits, dots, underscores or hyphens';

/**
 * A value that may enter a Vault path, an alias or a policy: exactly one path segment. Vault does not
 * escape what it puts into templated policies, so `*`, `+` and `/` must never get that far.
 */
export const isSegment = (text: string): boolean =>
  /^[A-Za-z0-9._~@:=,-]{1,255}$/.test(text) && text !== '.' && !text.includes('..');

export const SEGMENT_RULE = 'one path segment of A-Z a-z 0-9 . _ ~ @ : = , - without ".."';
