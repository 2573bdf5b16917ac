# Sourced by the benches that run whole jobs: servers, daemon, the product and its peers behind one set of verbs.
#
#   bench_server NAME [setting...]   a throwaway server on the loopback; PORT[NAME], ROOT[NAME] (its postmaster)
#   src, dst ARG...                  psql there; as user postgres, stops at the first error
#   peer_create/_resume/_pause PEER  dts | native | pglogical, each into its own database b_PEER of the target
#   catch_up PEER LSN TIMEOUT        resumes it and prints the seconds until its position is past LSN, and before them those of its start
#   sampler_start, sampler_stop      CPU seconds and private memory of every process of servers and daemon
#   bench_tsv, median                results
#
# Everything started here ends here, by process id, on every exit.
: "${DTS_TMP:?run this under tests/with_install}"
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$top/tests/bench/tsv.sh"
run=$DTS_TMP/run
declare -A PORT ROOT DIR ORIGIN SLOT
DAEMON='' SAMPLER='' SERVERS=''
CONTROL=dst # the server that holds the control database
DST_FOR_DAEMON='' SRC_FOR_TARGET='' # ports of proxies in between, when there are any
declare -A DELAYED
PROXIES=''
export PGUSER=postgres PGHOST=127.0.0.1 PGDATABASE=b LC_ALL=C.UTF-8
unset PGOPTIONS

# The checkout may be in a folder that the servers' user cannot enter.
as() { (cd / && exec ${DTS_AS:-} "$@"); }

bench_stop() {
	local name
	[ -z "$SAMPLER" ] || kill "$SAMPLER" 2>/dev/null || true
	SAMPLER=
	daemon_stop
	# shellcheck disable=SC2086
	[ -z "$PROXIES" ] || kill $PROXIES 2>/dev/null || true
	PROXIES=
	for name in $SERVERS; do
		as pg_ctl -D "${DIR[$name]}" -m immediate -w stop >/dev/null 2>&1 || true
		rm -rf "${DIR[$name]}"
	done
	SERVERS=
}
bench_clean_up() {
	trap - EXIT INT TERM
	bench_stop
}
trap bench_clean_up EXIT
trap 'bench_clean_up; exit 130' INT
trap 'bench_clean_up; exit 143' TERM

fail() {
	echo "FAILED: $*" >&2
	[ ! -e "$run/daemon.log" ] || tail -15 "$run/daemon.log" >&2
	exit 1
}

# The same for both ends, so that no side of a comparison waits for less than another.
bench_settings() {
	printf '%s\n' "wal_level=logical" "fsync=on" "full_page_writes=on" "synchronous_commit=on" "shared_buffers=1GB" "max_wal_size=16GB" \
		"checkpoint_timeout=1h" "autovacuum=off" "max_replication_slots=20" "max_wal_senders=20" "max_worker_processes=20" \
		"max_logical_replication_workers=10" "track_commit_timestamp=on" "log_min_messages=warning" "log_line_prefix='%m [%p] %b '" "jit=off"
}
bench_say_settings() {
	echo "PostgreSQL $(src -c 'show server_version'), $(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg); both ends on this machine, TCP over the loopback"
	echo "durability, both ends alike: $(src -c "select string_agg(name || '=' || setting, ', ' order by name) from pg_settings where name in ('fsync','full_page_writes','synchronous_commit')"); source and target agree: $([ "$(durability src)" = "$(durability dst)" ] && echo yes || echo NO)"
	echo "applying sessions on the target: native and pglogical with their own synchronous_commit=off, dts with what it sets itself; all acknowledge only what is flushed"
}
durability() { "$1" -d postgres -c "select array_agg(name || setting order by name) from pg_settings where name in ('fsync','full_page_writes','synchronous_commit','wal_sync_method','commit_delay')"; }

bench_server() {
	local name=$1 port=${NEXT_PORT:-6200}
	shift
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	NEXT_PORT=$((port + 1))
	PORT[$name]=$port DIR[$name]=$run/bench_$name
	as initdb -D "${DIR[$name]}" -A trust -U postgres -E UTF8 --locale=C.UTF-8 -N >"$DTS_TMP/initdb.log" 2>&1 || fail "initdb: $(tail -3 "$DTS_TMP/initdb.log")"
	{
		printf '%s\n' "port=$port" "listen_addresses='127.0.0.1'" "unix_socket_directories='$run'"
		bench_settings
		[ $# = 0 ] || printf '%s\n' "$@"
	} | as tee -a "${DIR[$name]}/postgresql.conf" >/dev/null
	# Current minor releases refuse an output plugin that this does not name; older ones do not know it.
	if as postgres -C output_plugin_libraries -D "${DIR[$name]}" >/dev/null 2>&1; then
		echo "output_plugin_libraries='pgoutput,pglogical_output,pglogical,dts_decoder'" | as tee -a "${DIR[$name]}/postgresql.conf" >/dev/null
	fi
	SERVERS="$SERVERS $name"
	as pg_ctl -D "${DIR[$name]}" -l "$run/$name.log" -w start >/dev/null || fail "server $name: $(tail -3 "$run/$name.log")"
	ROOT[$name]=$(as head -1 "${DIR[$name]}/postmaster.pid")
}
src() { psql -XqAt -v ON_ERROR_STOP=1 -h "127.0.0.1" -p "${PORT[src]}" "$@"; }
dst() { psql -XqAt -v ON_ERROR_STOP=1 -h "127.0.0.1" -p "${PORT[dst]}" "$@"; }
ctl() { if [ "$CONTROL" = dst ]; then dst -d ctl "$@"; else src -d ctl "$@"; fi; }
source_conninfo() { echo "host=127.0.0.1 port=${1:-${PORT[src]}} user=postgres dbname=b"; }
target_conninfo() { echo "host=127.0.0.1 port=${2:-${PORT[dst]}} user=postgres dbname=$1"; }
# A proxy in front of a server that delays what goes through; its port becomes DELAYED[NAME].
delay_start() {
	local port=${NEXT_PORT:-6200}
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	NEXT_PORT=$((port + 1))
	perl "$top/tests/bench/delay" "$DELAY_MS" "$port" "${PORT[$1]}" &
	PROXIES="$PROXIES $!"
	DELAYED[$1]=$port
	until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
}
has_pglogical() { [ -e "$("$PG_CONFIG" --pkglibdir)/pglogical.so" ]; }

daemon_start() {
	if [ "$CONTROL" = dst ]; then dst -d postgres -c "create database ctl"; else src -d postgres -c "create database ctl"; fi
	ctl -c "create extension dts"
	local at="host=127.0.0.1 port=${PORT[dst]}"
	[ "$CONTROL" = dst ] || at="host=127.0.0.1 port=${PORT[src]}"
	(cd / && DTS_WORK_DIR=$run exec ${DTS_AS:-} dts_applier --control "$at dbname=ctl user=postgres") >>"$run/daemon.log" 2>&1 &
	DAEMON=$!
	ROOT[daemon]=$DAEMON
}
# As root the daemon is a child of runuser; signals go to the daemon itself.
daemon_stop() {
	local pid=$DAEMON
	[ -n "$pid" ] || return 0
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dts_applier ] || pid=$(cut -d' ' -f1 "/proc/$pid/task/$pid/children" 2>/dev/null || true)
	[ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null || true
	wait "$DAEMON" 2>/dev/null || true
	DAEMON=
}

# The tables of the source, with their rows, in a database of its own on the target.
target_database() {
	dst -d postgres -c "create database b_$1"
	pg_dump -h "127.0.0.1" -p "${PORT[src]}" -n public b | dst -d "b_$1" -o /dev/null -c "set client_min_messages=error" -c "drop schema public" -f - >/dev/null
	dst -d "b_$1" -c analyze
}
dts_wait() { ctl -c "call dts_wait('bench', '$1', '${2:-60 s}')" || fail "dts_wait $1: $(ctl -c "select state, error from dts_jobs" -c "select item, result, detail from dts_check_results('bench') where result <> 'pass'")"; }

# Ready and at rest; the target's tables must be there.
peer_create() {
	local peer=$1
	case $peer in
		dts)
			daemon_start
			ctl -c "select dts_create_endpoint('s', 'postgresql', '$(source_conninfo)')" \
				-c "select dts_create_endpoint('t', 'postgresql', '$(target_conninfo b_dts "$DST_FOR_DAEMON")')" \
				-c "select dts_create_job('bench', 's', 't', options => '{\"phases\": [\"incremental\"], \"objects\": [{\"schema\": \"public\"}]${DTS_OPTIONS:+, $DTS_OPTIONS}}')" \
				-c "select dts_check_job('bench')" >/dev/null
			dts_wait checked
			ctl -c "select dts_start_job('bench')" >/dev/null
			dts_wait incremental
			SLOT[dts]=$(ctl -c "select slot_name from dts_jobs where job = 'bench'")
			ORIGIN[dts]=${SLOT[dts]}
			;;
		native)
			src -c "create publication bench for table $(src -c "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables where schemaname = 'public'")"
			dst -d b_native -c "set client_min_messages=error" -c "create subscription bench_native connection '$(source_conninfo "$SRC_FOR_TARGET")' publication bench with (copy_data=false, binary=true, streaming=on)" >/dev/null
			SLOT[native]=bench_native
			ORIGIN[native]=pg_$(dst -d b_native -c "select oid from pg_subscription where subname = 'bench_native'")
			;;
		pglogical)
			src -c "set client_min_messages=error" -c "create extension if not exists pglogical" -c "select pglogical.create_node('provider', '$(source_conninfo)')" >/dev/null
			# tables without a key cannot take part
			src -c "select pglogical.replication_set_add_table('default', c.oid) from pg_class c where relnamespace = 'public'::regnamespace and relkind = 'r' and exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p')" >/dev/null
			dst -d b_pglogical -c "set client_min_messages=error" -c "create extension pglogical" -c "select pglogical.create_node('subscriber', '$(target_conninfo b_pglogical)')" \
				-c "select pglogical.create_subscription('bench', '$(source_conninfo)', synchronize_structure := false, synchronize_data := false)" >/dev/null
			wait_for pglogical "select 't' from pglogical.show_subscription_status() where status = 'replicating'" dst -d b_pglogical
			SLOT[pglogical]=$(dst -d b_pglogical -c "select sub_slot_name from pglogical.subscription")
			ORIGIN[pglogical]=${SLOT[pglogical]}
			;;
	esac
	wait_for "$peer" "select active from pg_replication_slots where slot_name = '${SLOT[$peer]}'" src
}
peer_database() { if [ "$1" = dts ]; then echo ctl; else echo "b_$1"; fi; }
# SQL that sets it going, in peer_database.
peer_resume_sql() {
	case $1 in
		dts) echo "select dts_resume_job('bench');" ;;
		native) echo "alter subscription bench_native enable;" ;;
		pglogical) echo "select pglogical.alter_subscription_enable('bench', true);" ;;
	esac
}
peer_pause() {
	case $1 in
		dts)
			ctl -c "set client_min_messages=warning" -c "select dts_pause_job('bench')" >/dev/null
			dts_wait paused
			;;
		native) dst -d b_native -c "alter subscription bench_native disable" ;;
		pglogical) dst -d b_pglogical -c "select pglogical.alter_subscription_disable('bench', true)" >/dev/null ;;
	esac
	wait_for "$1" "select not active from pg_replication_slots where slot_name = '${SLOT[$1]}'" src
}
peer_resume() {
	if [ "$1" = dts ]; then
		ctl -c "$(peer_resume_sql dts)" >/dev/null
		dts_wait incremental
	else
		dst -d "$(peer_database "$1")" -c "$(peer_resume_sql "$1")" >/dev/null
	fi
	wait_for "$1" "select active from pg_replication_slots where slot_name = '${SLOT[$1]}'" src
}
# "SECONDS START": catching up, counted from the moment that the peer's session holds its slot on the source, and what went before
# that since it was told to (claim, checks, connections; both servers have this machine's clock).
# It waits in a database of its own: the snapshot of a waiting session must not keep dead rows in the peer's.
catch_up() {
	local start=(dst -d "b_$1")
	[ "$1" != dts ] || start=(ctl)
	"${start[@]}" -v ON_ERROR_STOP=1 <<-SQL
		select clock_timestamp() as begun \\gset
		\\o /dev/null
		$(peer_resume_sql "$1")
		\\c "host=127.0.0.1 port=${PORT[src]} user=postgres dbname=postgres"
		create procedure pg_temp.hold(inout held timestamptz) language plpgsql as \$\$
		begin
			for i in 1 .. 500 * $3 loop
				if (select active from pg_replication_slots where slot_name = '${SLOT[$1]}') then
					held := clock_timestamp();
					return;
				end if;
				perform pg_sleep(0.002);
			end loop;
			raise exception '$1 did not start within $3 s';
		end \$\$;
		call pg_temp.hold(null) \\gset
		\\c "host=127.0.0.1 port=${PORT[dst]} user=postgres dbname=postgres"
		create procedure pg_temp.catch_up(held timestamptz, inout seconds numeric) language plpgsql as \$\$
		begin
			for i in 1 .. 200 * $3 loop
				if (select max(pg_replication_origin_progress(roname, false)) from pg_replication_origin
					where roname = '${ORIGIN[$1]}' or starts_with(roname, '${ORIGIN[$1]}/')) >= '$2' then
					seconds := round(extract(epoch from clock_timestamp() - held), 3);
					return;
				end if;
				perform pg_sleep(0.005);
			end loop;
			raise exception '$1 did not catch up within $3 s';
		end \$\$;
		\\o
		call pg_temp.catch_up(:'held', null) \\gset
		select :'seconds', round(extract(epoch from :'held'::timestamptz - :'begun'::timestamptz), 3);
	SQL
}
# A last transaction of the source, and a position that lies between its changes and its end: who is past that has it, and all before.
bench_mark() { src -c begin -c "insert into bench_end default values" -c "select pg_current_wal_insert_lsn()" -c commit; }
# Waits until a query answers true: wait_for WHAT QUERY PSQL...
wait_for() {
	local what=$1 query=$2 tries=0
	shift 2
	while [ "$("$@" -c "$query")" != t ]; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || fail "$what does not come to: $query"
		sleep 0.05
	done
}
# Processes of a peer: on the target all of its database but our own, on the source the slot's walsender.
target_pids() { dst -d postgres -c "select coalesce(string_agg(pid::text, ' '), '') from pg_stat_activity where datname = 'b_$1'"; }
walsender_pid() { src -c "select active_pid from pg_replication_slots where slot_name = '${SLOT[$1]}'"; }

sampler_start() {
	local label args=()
	for label in "${!ROOT[@]}"; do args+=("$label=${ROOT[$label]}"); done
	perl "$top/tests/bench/sample" "$DTS_TMP/samples" "${args[@]}" &
	SAMPLER=$!
}
sampler_stop() {
	kill -TERM "$SAMPLER"
	wait "$SAMPLER" 2>/dev/null || true
	SAMPLER=
}
# sampled LABEL [PID...]: "CPU-seconds peak-MB" of those processes, or of all below that root.
sampled() {
	local label=$1
	shift
	awk -v label="$label" -v pids=" $* " '$1 == label && (pids == "  " || index(pids, " " $2 " ")) {c += $3; m += $4} END {printf "%.2f %.1f", c, m / 1024}' "$DTS_TMP/samples"
}
