#!/bin/sh
# What runs inside the task: it reads its files from the directory that tasklease names, logs in, works.
set -eu
# shellcheck disable=SC1091 # written by the agent
. "$TASKLEASE_DIR/db.env"
export PGUSER PGPASSWORD
psql --no-psqlrc --tuples-only --command \
  "select 'report: ' || current_user || ' sees ' || count(*) || ' days of sales' from sales"
