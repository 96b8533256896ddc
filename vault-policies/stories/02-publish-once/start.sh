#!/bin/sh
# A CI job: start.sh JOB FILE ARTIFACT. The CI has put its word for this job, a JWT, into the file CI_JWT_FILE.
job=$1
shift
# shellcheck disable=SC2016 # the shell that runs once the credential is there fills in what it says
exec tasklease run --profile publish-once --task "publish-$job" --event "ci_job:acme/shop/$job" \
  --assertion-file "$CI_JWT_FILE" -- sh -c '
    curl --fail --silent --show-error --cacert "$REGISTRY_CA" --cert "$TASKLEASE_DIR/client.pem" \
      --upload-file "$1" "$REGISTRY/artifacts/$2"' publish "$@"
