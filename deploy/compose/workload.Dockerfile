# A workload as teams have them: a client of the database, no Node. What it needs from tasklease is one shell
# script and curl. Built from the top of the repository by docker-compose.yml.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends curl postgresql-client \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/tasklease.sh deploy/compose/workload.sh deploy/compose/report.sh /usr/local/bin/
USER 20001:10001
ENTRYPOINT ["workload.sh"]
