#!/bin/sh
# A coding agent: start.sh NUMBER AGENT..., for the pull request of that number. The orchestrator has put its word for
# this job, a JWT, into the file JOB_JWT_FILE. AGENT gives git its certificate in GIT_SSL_CERT and GIT_SSL_KEY.
number=$1
shift
exec tasklease run --profile coding-agent --task "pr-$number" --event "pull_request:acme/shop#$number" \
  --assertion-file "$JOB_JWT_FILE" -- "$@"
