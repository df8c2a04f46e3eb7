#!/bin/sh
# Make the cluster if there is none, then become the server.  Arguments are passed on to postgres.
#
#   POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE   the superuser's password; one of them is needed once
#   POSTGRES_DB (inngest)                       database that has the extension and that the workers serve
#   INNGEST_REDIS_URL (empty)                   inngest.redis_url
#
# A cluster is made beside its final place and moved there when it is complete, so that an interrupted
# start leaves nothing half made.
set -eu

volume=/var/lib/postgresql/data
cluster=$volume/cluster
database=${POSTGRES_DB:-inngest}

# quote TEXT: as a string in postgresql.conf, and as one in SQL
quote()
{
	printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"
}

make_cluster()
{
	new=$volume/cluster.new
	if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
		POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
	fi
	if [ -z "${POSTGRES_PASSWORD:-}" ]; then
		echo "POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE is needed to make the cluster" >&2
		exit 1
	fi
	rm -rf "$new"
	mkdir -m 700 "$new"
	(umask 077; printf '%s\n' "$POSTGRES_PASSWORD" > "$volume/password")
	initdb -D "$new" -k -U postgres -E UTF8 --locale=C.UTF-8 --pwfile="$volume/password" \
		--auth-local=peer --auth-host=scram-sha-256
	rm "$volume/password"
	echo 'host all all all scram-sha-256' >> "$new/pg_hba.conf"
	echo "include 'inngest.conf'" >> "$new/postgresql.conf"
	write_settings "$new"
	pg_ctl start -w -D "$new" -o "-c listen_addresses='' -c inngest.database=postgres" >/dev/null
	psql -X -q -v ON_ERROR_STOP=1 -v name="$database" -d postgres <<'SQL'
SELECT format('CREATE DATABASE %I', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SQL
	psql -X -q -v ON_ERROR_STOP=1 -d "$database" -c 'CREATE EXTENSION inngest'
	pg_ctl stop -w -m fast -D "$new" >/dev/null
	mv "$new" "$cluster"
}

write_settings()
{
	(umask 077; cat > "$1/inngest.conf") <<TEXT
# written at every start of the container
listen_addresses = '*'
shared_preload_libraries = 'inngest'
max_worker_processes = 16
inngest.database = $(quote "$database")
inngest.redis_url = $(quote "${INNGEST_REDIS_URL:-}")
TEXT
}

[ -d "$cluster" ] || make_cluster
write_settings "$cluster"
unset POSTGRES_PASSWORD INNGEST_REDIS_URL
exec postgres -D "$cluster" "$@"
