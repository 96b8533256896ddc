#!/bin/sh
# What runs inside the task: reads its files from the directory that tasklease names, logs in, works.
set -eu
echo "report: task $TASKLEASE_TASK, files in $TASKLEASE_DIR:"
ls -ln "$TASKLEASE_DIR/"
# shellcheck disable=SC1091 # written by the agent
. "$TASKLEASE_DIR/db.env"
export PGUSER PGPASSWORD
psql --no-psqlrc --tuples-only --command \
  "select 'report: ' || current_user || ' sees ' || count(*) || ' days of sales' from sales"
# A real workload never does this. Here it shows that even a copied login ends with the task.
(umask 077 && cp "$TASKLEASE_DIR/db.env" "$KEPT")
