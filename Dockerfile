# PostgreSQL with the inngest extension, ready to serve.
#
#   docker build -t inngest .
#   docker run -d --name inngest -e POSTGRES_PASSWORD=secret -v inngest:/var/lib/postgresql/data inngest
#   docker exec inngest curl -s http://127.0.0.1:8288/health
#
# The HTTP server listens on the container's loopback only, until there are keys (docs/operations.md, Keys);
# compose.yaml shows how an application in another container reaches it.
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	gcc libc6-dev make postgresql-server-dev-15 libmicrohttpd-dev libhiredis-dev libpcre2-dev libcurl4-openssl-dev
COPY Makefile inngest.control /build/
COPY src /build/src
COPY sql /build/sql
COPY docs/openapi.json /build/docs/
RUN make -C /build -s install DESTDIR=/out

FROM ${BASE_IMAGE}
RUN mkdir -p /etc/postgresql-common/createcluster.d && \
	echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/none.conf && \
	apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	postgresql-15 libmicrohttpd12 libhiredis0.14 libpcre2-8-0 libcurl4 ca-certificates curl && \
	rm -rf /var/lib/apt/lists/* && \
	install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data && \
	install -d -o postgres -g postgres -m 2775 /var/run/postgresql
COPY --from=build /out /
COPY docker/entrypoint.sh /usr/local/bin/inngest-entrypoint

ENV PATH=/usr/lib/postgresql/15/bin:$PATH LANG=C.UTF-8
USER postgres
VOLUME /var/lib/postgresql/data
EXPOSE 5432
# fast shutdown
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=5 \
	CMD curl -fsS --max-time 2 http://127.0.0.1:8288/health || exit 1
ENTRYPOINT ["inngest-entrypoint"]
