#!/bin/sh
# One backup: start.sh NIGHT FILE, from a timer inside the window.
# shellcheck disable=SC2016 # the shell that runs once the credential is there fills in what it says
exec tasklease run --profile backup --task "backup-$1" --event "backup_window:$1" --duration 3h -- sh -c '
  set -a
  . "$TASKLEASE_DIR/db.env"
  psql -qc "copy backups (line) from stdin" <"$1"' backup "$2"
