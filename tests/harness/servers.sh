# Two throwaway servers, "source" and "target", with hostile settings.  Sourced by the tests here.
# Uses tests/with_install's folder when started under it, else one of its own, and the server that
# PG_CONFIG names.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$("${PG_CONFIG:-pg_config}" --bindir)
if [ "$(id -u)" = 0 ]; then as="env -C / runuser -u postgres --"; else as=; fi
base=$(mktemp -d "${DTS_TMP:-${TMPDIR:-/tmp}}/copy.XXXXXX")
chmod 755 "$base"
[ -z "$as" ] || chown postgres "$base"

free_port() { perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport, "\n"'; }
stop_servers() {
	for s in source target; do
		[ -d "$base/$s" ] && $as "$bin/pg_ctl" -D "$base/$s" -m immediate -w stop >/dev/null 2>&1 || true
	done
	[ -n "${DTS_KEEP:-}" ] && echo "kept $base" >&2 || rm -rf "$base"
}
trap stop_servers EXIT

# start_server NAME PORT SETTINGS...
start_server() {
	local name=$1 port=$2; shift 2
	$as "$bin/initdb" -D "$base/$name" -U postgres -A trust -E UTF8 --locale=C >"$base/$name.initdb" 2>&1
	{
		echo "port = $port"; echo "listen_addresses = '127.0.0.1'"; echo "unix_socket_directories = '$base'"
		echo "wal_level = logical"; echo "fsync = ${FSYNC:-off}"; echo "max_wal_size = 4GB"
		echo "max_connections = 200"; echo "autovacuum = off"
		for s in "$@"; do echo "$s"; done
	} | $as tee -a "$base/$name/postgresql.conf" >/dev/null
	if $as "$bin/postgres" -C output_plugin_libraries -D "$base/$name" >/dev/null 2>&1; then
		echo "output_plugin_libraries = 'pgoutput,test_decoding,dts_decoder'" | $as tee -a "$base/$name/postgresql.conf" >/dev/null
	fi
	$as "$bin/pg_ctl" -D "$base/$name" -l "$base/$name.log" -w start >/dev/null
}
sport=$(free_port); tport=$(free_port)
start_servers() {
	start_server source "$sport" "datestyle = 'German, DMY'" "intervalstyle = 'sql_standard'" "bytea_output = 'escape'" "extra_float_digits = -10" "timezone = 'Asia/Kolkata'" "quote_all_identifiers = on" "$@"
	start_server target "$tport" "datestyle = 'SQL, MDY'" "intervalstyle = 'iso_8601'" "bytea_output = 'hex'" "extra_float_digits = 0" "timezone = 'America/St_Johns'" "standard_conforming_strings = off" "$@"
}
sq() { "$bin/psql" -XAtq -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$sport" -U postgres "$@"; }
tq() { "$bin/psql" -XAtq -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$tport" -U postgres "$@"; }
# drive DATABASE EPOCH OPTIONS: runs the driver; its output goes to $base/out
drive() {
	local status=0
	"$here/copy_driver" "host=127.0.0.1 port=$sport user=postgres dbname=$1" "host=127.0.0.1 port=$tport user=postgres dbname=$1" "dts_sync_$1" "$2" "$3" >"$base/out" 2>&1 || status=$?
	return $status
}
options() { # PHASES [MORE]
	echo "{\"phases\":[$1],\"objects\":null,\"exclude\":null,\"workers\":3,\"same_name_tables\":\"fail\",\"streaming\":false,\"retry\":{\"connection_minutes\":720,\"other_minutes\":10}}"
}
# Both ends as pg_dump sees them, without what is ours and what is never copied.
dump_all() { # PORT DATABASE
	PGOPTIONS="-c timezone=UTC -c bytea_output=hex -c quote_all_identifiers=off -c standard_conforming_strings=on" "$bin/pg_dump" -h 127.0.0.1 -p "$1" -U postgres -d "$2" --encoding=UTF8 -N dts --no-publications --no-subscriptions |
		grep -v -e '^\\restrict' -e '^\\unrestrict' -e '^-- Dumped' | sort
}
same() { # DATABASE
	dump_all "$sport" "$1" >"$base/source.sql"; dump_all "$tport" "$1" >"$base/target.sql"
	diff "$base/source.sql" "$base/target.sql" >"$base/diff"
}
passed=0
ok() { passed=$((passed + 1)); echo "ok $passed - $1"; }
fail() { echo "not ok - $1"; [ -f "$base/out" ] && tail -15 "$base/out"; [ -f "$base/diff" ] && head -40 "$base/diff" | cut -c1-250; exit 1; }
