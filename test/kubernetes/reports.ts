// Owns the scripts that stand in for the shipped report.sh, to bring about an ending.

/** Ends with this code once it has worked. */
export const failing = (code: number): string => `${LOGGED_IN}exit ${code}\n`;

/** Writes its login's name, then works until it is ended. */
export const working = (): string => `${LOGGED_IN}sleep 600\n`;

/** Writes its login's name, then works until there is a file /tmp/enough. */
export const waiting = (): string => `${LOGGED_IN}until [ -e /tmp/enough ]; do sleep 0.2; done\n${QUERY}\n`;

/** The same with a login of a task of its own, which no connection binds: profile `standing`, without a client that waits. */
export const standing = (): string => `set -eu
task="kept-$(hostname)"
tasklease.sh start --profile standing --task "$task" >/dev/null
. "/run/tasklease-tasks/tasklease/$task/current/db.env"
export PGUSER PGPASSWORD
psql --no-psqlrc --tuples-only --command "select 'logged in as ' || current_user"
until [ -e /tmp/enough ]; do sleep 0.2; done
${QUERY}
tasklease.sh stop "$task"
`;

/** Needs more memory than its container may have. */
export const hungry = (): string => `${LOGGED_IN}tail /dev/zero\n`;

const QUERY = `psql --no-psqlrc --tuples-only --command "select 'again ' || current_user"`;
const LOGGED_IN = `set -eu
. "$TASKLEASE_DIR/db.env"
export PGUSER PGPASSWORD
psql --no-psqlrc --tuples-only --command "select 'logged in as ' || current_user"
`;
