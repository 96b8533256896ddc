// Owns the help texts of the client commands but run's, which stands beside it. Invariant: each shows an example that
// can be pasted and the exit codes that a script can meet.

const CLIENT = `  --socket PATH        the agent's socket; else TASKLEASE_SOCKET, else /run/tasklease/agent.sock
  --output table|json  what to print; json is exactly the API's body (default table)
  -h, --help           this text`;

const ADMIN = `  --socket PATH        the admin socket; else TASKLEASE_ADMIN_SOCKET, else /run/tasklease-private/admin.sock
  --output table|json  what to print; json is exactly the API's body (default table)
  -h, --help           this text`;

const EXITS = 'Exit code: 0 ok, 1 refused or failed, 2 usage, 3 agent not reachable';

/** What `run` and `start` both ask with. */
export const ASKS = `  --profile P          the kind of task, as the operator named it (required)
  --task ID            the task's id, for stop, status and events; made from profile and time when left out
  --param K=V          a parameter of the profile; repeat for more
  --duration D         how long it may run: 90s, 15m, 1h30m (default: the profile's)
  --event TYPE:ID      the business event it belongs to, such as pull_request:acme/shop#412
  --parent TASK        make it a child of this task of yours: it never lives longer and is stopped with it
  --assertion-file F   the JWT that the orchestrator signed for this task, where the profile asks for one
  --traceparent T      the trace it is part of (W3C Trace Context); else TRACEPARENT of the environment`;

export const startUsage = `Usage: tasklease start --profile P [options]

Start a task: lease its secrets and publish them as files. It ends at its deadline, by "tasklease stop",
with the process or control group it is bound to, or with its parent. Where its profile needs approval, this
waits for it and says so.

Example:
  tasklease start --profile report-read --task build-81 --param env=prod --duration 15m
  tasklease start --profile tool-call --parent build-81
  tasklease start --profile deploy --assertion-file "$RUNNER_TEMP/id-token"
  tasklease start --profile report-read --cgroup /system.slice/ci-81.service
  cat /run/tasklease/tasks/build-81/current/db.env
  tasklease stop build-81

Options:
${ASKS}
  --deadline T         the end as a time (RFC 3339), instead of --duration
  --pid N              bind it to process N: when that ends, the task is stopped
  --cgroup PATH        bind it to a control group, as /proc/PID/cgroup shows it after "0::": when that is
                       empty or gone, the task is stopped
${CLIENT}

${EXITS}
`;

export const stopUsage = `Usage: tasklease stop TASK [options]
       tasklease stop --event TYPE:ID [options]

Stop a task, or all of the caller's tasks of one business event. The files are gone when this answers;
once nothing is left to revoke, the answer is the receipt: what became of each lease. A stop of a closed task
shows its receipt again.

Example:
  tasklease stop build-81
  tasklease stop --event pull_request:acme/shop#412 --wait 2m

Options:
  --event TYPE:ID      all tasks of this business event
  --wait D             how long to wait for the proof (default 30s; 0s: do not wait)
${CLIENT}

${EXITS}, 4 revocation still pending
`;

export const statusUsage = `Usage: tasklease status [TASK] [options]

Show the caller's living tasks, or one task with its leases, closed ones too. On the admin socket: everyone's.

Example:
  tasklease status
  tasklease status build-81 --output json

Options:
${CLIENT}

${EXITS}
`;

export const extendUsage = `Usage: tasklease extend TASK --duration D [options]

Move a task's deadline later by D, where its profile says so (ttl.extend: true), but never past the profile's
max. The answer shows the deadline as it is then.

Example:
  tasklease extend build-81 --duration 10m

Options:
  --duration D         how much later: 90s, 10m, 1h (required)
${CLIENT}

${EXITS}
`;

export const eventsUsage = `Usage: tasklease events [TASK] [options]

Follow what happens, one line a fact: all of the caller's tasks, or one task until it is closed.
--output json prints the API's NDJSON as it comes.

Example:
  tasklease events build-81
  tasklease events --output json | jq 'select(.type == "grant.closed")'

Options:
${CLIENT}

${EXITS}
`;

export const healthUsage = `Usage: tasklease health [options]

Ask the agent whether it can take tasks; made for exec probes. On the admin socket it also warns of
faulty profiles.

Example:
  tasklease health && echo ready

Options:
${CLIENT}

Exit code: 0 ready, 1 not ready (with the reasons), 2 usage, 3 agent not reachable
`;

export const revokeAllUsage = `Usage: tasklease revoke-all [options]

The kill switch: stop every task of this agent now, whoever started it.

Example:
  sudo tasklease revoke-all --wait 1m

Options:
  --wait D             how long to wait for the proofs (default 30s; 0s: do not wait)
${ADMIN}

${EXITS}, 4 revocation still pending
`;

export const drainUsage = `Usage: tasklease drain [options]

Before maintenance: take no new task and stop all that run. It lasts until the agent is restarted.

Example:
  sudo tasklease drain --wait 1m

Options:
  --wait D             how long to wait for the proofs (default 30s; 0s: do not wait)
${ADMIN}

${EXITS}, 4 revocation still pending
`;

export const abandonUsage = `Usage: tasklease abandon TASK --reason TEXT [options]

Give up on a revocation that can never be proved, because its engine was deleted or Vault was restored from
an old snapshot. Only for a task that is stopping; its files are gone already. The receipt then calls its
leases "unproved", and who gave them up, and why, goes on record. See to the credentials by other means first.

Example:
  tasklease status build-81
  sudo tasklease abandon build-81 --reason 'database/ was unmounted, roles dropped by hand: OPS-712'

Options:
  --reason TEXT        why, in a sentence (required)
${ADMIN}

${EXITS}, 4 revocation still pending
`;

export const approveUsage = `Usage: tasklease approve TASK [options]

Approve a task whose profile needs it (approval.required). What is asked is shown first, and what was shown
is what is approved: nothing else that may wait under the same id by then. Whoever asked for a task cannot
approve it.

Example:
  tasklease status --socket /run/tasklease-private/admin.sock
  sudo tasklease approve deploy-81
  sudo tasklease approve deploy-81 --yes --reason OPS-712
  tasklease approve deploy-81 --jwt-file approval.jwt --socket /run/tasklease/agent.sock

Options:
  --yes                do not ask on the terminal
  --reason TEXT        goes on record
  --jwt-file F         hand in an approval that somebody signed; any socket that shows the task will do
${ADMIN}

${EXITS}
`;

export const denyUsage = `Usage: tasklease deny TASK [options]

Deny a task that waits for approval. Whoever waits for it is told at once, and why.

Example:
  sudo tasklease deny deploy-81 --reason 'not during the freeze'

Options:
  --reason TEXT        goes on record and to whoever asked
${ADMIN}

${EXITS}
`;

export interface Listed {
  readonly name: string;
  readonly summary: string;
}

/** The text of `tasklease --help`. */
export function programUsage(commands: readonly Listed[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n');
  return `Usage: tasklease COMMAND [options]

Leases Vault secrets for exactly as long as one task runs, and proves that they are gone.

Example:
  tasklease run --profile report-read --param env=prod -- ./report.sh

Commands:
${rows}

  tasklease COMMAND --help shows a command's options, an example and its exit codes.
  tasklease --version prints the version.
`;
}
