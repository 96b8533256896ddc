#!/bin/sh
# A deployment: start.sh RUN STEPS..., where STEPS find PGUSER and PGPASSWORD in "$TASKLEASE_DIR/db.env".
run=$1
shift
exec tasklease run --profile deploy-write --task "deploy-$run" --event "pipeline:acme/shop/$run" --duration 10m -- "$@"
