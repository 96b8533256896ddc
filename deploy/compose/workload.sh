#!/bin/sh
# The workload of docker-compose.yml: one report under one task, then a look at what is left of it.
# Exit 0 only if the report came out and the login that it used is refused afterwards.
set -eu
KEPT=/tmp/kept.env
export KEPT

echo "workload: uid $(id -u), gid $(id -g), node: $(command -v node || echo none)"
tasklease.sh run --profile report-read --duration 2m --event "compose:$(hostname)-$(date +%s)" -- report.sh

# A task's end has to reach a thief too: try the login that the report "leaked" into /tmp.
# shellcheck disable=SC1090 # made by report.sh
. "$KEPT"
export PGUSER PGPASSWORD
rm -f "$KEPT"
if psql --no-psqlrc --command 'select 1' >/dev/null 2>&1; then
  echo "workload: $PGUSER can still log in after the stop. This is a failure." >&2
  exit 1
fi
pg_isready --quiet || {
  echo "workload: the database does not answer, so the refused login proves nothing." >&2
  exit 1
}
echo "workload: the task is stopped and $PGUSER is refused"
