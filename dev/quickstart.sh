# What dev/quickstart and dev/stop share: where the private servers live and how they are run.
# shellcheck shell=bash disable=SC2034
#
# Everything is under .quickstart/.  PostgreSQL refuses root, so root's servers run as postgres; if that
# user cannot reach this checkout, .quickstart is a link to a directory under /var/tmp.  Ports are chosen
# once, kept in .quickstart/ports, and chosen again only when somebody else has taken one meanwhile.

pg_config=${PG_CONFIG:-pg_config}
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" inngest.control)
database=inngest
home=
owner=$(id -un)
as_owner_text=
if [ "$(id -u)" -eq 0 ]; then
	owner=postgres
	as_owner_text="runuser -u postgres -- "
fi

step()
{
	printf '\n== %s  (%ds)\n' "$1" "$SECONDS"
}

say()
{
	printf '   %s\n' "$1"
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

as_owner()
{
	if [ "$(id -un)" = "$owner" ]; then
		(cd "$home" && "$@")
	else
		(cd "$home" && runuser -u "$owner" -- "$@")
	fi
}

pretty()
{
	python3 -m json.tool --indent 2 | sed 's/^/   /'
}

# field KEY...: that part of the JSON on standard input
field()
{
	python3 -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[int(key) if key.isdigit() else key]
print(value)' "$@"
}

# call PATH [BODY]: GET or POST; an HTTP error shows its body and ends the script
call()
{
	local reply
	reply=$(curl -sS --max-time 20 -w '\n%{http_code}' ${2:+-H "Content-Type: application/json" -d "$2"} "$url$1")
	if [ "${reply##*$'\n'}" -ge 400 ]; then
		echo "$1: HTTP ${reply##*$'\n'}: ${reply%$'\n'*}" >&2
		return 1
	fi
	printf '%s\n' "${reply%$'\n'*}"
}

is_taken()
{
	(exec 3<> "/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# next_free PORT: this port, or the first one after it that nobody listens on
next_free()
{
	local port=$1
	while is_taken "$port"; do
		port=$((port + 1))
	done
	echo "$port"
}

load_ports()
{
	postgres_port=54329 redis_port=63799 http_port=8288
	if [ -f "$home/ports" ]; then
		read -r postgres_port redis_port http_port < "$home/ports"
	fi
	url=http://127.0.0.1:$http_port
}

save_ports()
{
	url=http://127.0.0.1:$http_port
	echo "$postgres_port $redis_port $http_port" > "$home/ports"
}

# make_home: .quickstart/ is the caller's; in it data/, redis/ and run/ (sockets, logs) are the servers'
make_home()
{
	local name

	if [ ! -e .quickstart ]; then
		rm -f .quickstart
		mkdir .quickstart
		home=/
		# a socket's path holds 107 bytes
		if [ ${#PWD} -gt 70 ] || ! as_owner test -x "$PWD/.quickstart"; then
			rmdir .quickstart
			ln -s "$(mktemp -d /var/tmp/inngest-quickstart.XXXXXX)" .quickstart
		fi
		chmod 755 .quickstart/
		for name in data redis run; do
			mkdir ".quickstart/$name"
			chown "$owner" ".quickstart/$name"
		done
	fi
	find_home
	load_ports
}

find_home()
{
	home=$(readlink -f .quickstart)
	bindir=$("$pg_config" --bindir)
}

redis_runs()
{
	[ -f "$home/run/redis.pid" ] && kill -0 "$(cat "$home/run/redis.pid")" 2>/dev/null &&
		redis-cli -p "$redis_port" ping >/dev/null 2>&1
}

start_redis()
{
	if redis_runs; then
		say "Redis runs on port $redis_port"
		return
	fi
	redis_port=$(next_free "$redis_port")
	save_ports
	as_owner redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$home/redis" --daemonize yes \
		--pidfile "$home/run/redis.pid" --logfile "$home/run/redis.log" --save '' --appendonly no >/dev/null
	for _ in $(seq 50); do
		if redis_runs; then
			say "Redis started on port $redis_port"
			return
		fi
		sleep 0.1
	done
	tail -n 5 "$home/run/redis.log" >&2
	return 1
}

postgres_runs()
{
	as_owner "$bindir/pg_ctl" status -D "$home/data" >/dev/null 2>&1
}

# The settings that belong to this cluster; a change of them is what asks for a restart.
write_settings()
{
	cat > "$home/settings.new" <<TEXT
port = $postgres_port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$home/run'
shared_preload_libraries = 'inngest'
max_worker_processes = 16
inngest.database = '$database'
inngest.http_port = $http_port
inngest.redis_url = 'redis://127.0.0.1:$redis_port/0'
TEXT
	chmod 644 "$home/settings.new"
	if ! cmp -s "$home/settings.new" "$home/settings.conf"; then
		mv "$home/settings.new" "$home/settings.conf"
		return 0
	fi
	rm "$home/settings.new"
	return 1
}

start_postgres()
{
	local changed=

	if [ ! -f "$home/data/PG_VERSION" ]; then
		say "making a cluster in .quickstart/data"
		as_owner "$bindir/initdb" -D "$home/data" -U "$owner" -E UTF8 --locale=C.UTF-8 \
			--auth-local=peer --auth-host=scram-sha-256 >/dev/null
		as_owner sh -c "echo \"include '$home/settings.conf'\" >> '$home/data/postgresql.conf'"
	fi
	if ! postgres_runs; then
		postgres_port=$(next_free "$postgres_port")
		http_port=$(next_free "$http_port")
		save_ports
	fi
	! write_settings || changed=yes
	[ "$("$pg_config" --pkglibdir)/inngest.so" -ot "$home/data/postmaster.pid" ] || changed=yes
	if postgres_runs && [ -z "$changed" ]; then
		say "PostgreSQL runs on port $postgres_port"
	else
		! postgres_runs || as_owner "$bindir/pg_ctl" stop -w -m fast -D "$home/data" >/dev/null
		as_owner "$bindir/pg_ctl" start -w -D "$home/data" -l "$home/run/postgres.log" >/dev/null ||
			{ tail -n 20 "$home/run/postgres.log" >&2; return 1; }
		say "PostgreSQL started on port $postgres_port"
	fi
	if [ -z "$(sql postgres "SELECT 1 FROM pg_database WHERE datname = '$database'")" ]; then
		sql postgres "CREATE DATABASE $database"
	fi
	sql "$database" 'SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS inngest'
	say "extension inngest in database $database"
}

# sql DATABASE STATEMENT
sql()
{
	as_owner "$bindir/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$home/run" -p "$postgres_port" -d "$1" -c "$2"
}

# The workers come up within a second of CREATE EXTENSION.
wait_healthy()
{
	for _ in $(seq 100); do
		if [ "$(curl -s --max-time 5 "$url/health" | field status 2>/dev/null)" = ok ]; then
			say "$url/health says ok"
			return
		fi
		sleep 0.2
	done
	echo "the server did not become healthy: $(curl -s --max-time 5 "$url/health")" >&2
	tail -n 20 "$home/run/postgres.log" >&2
	return 1
}
