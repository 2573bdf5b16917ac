# Sourced by scripts that run under tests/with_install: one throwaway server per name, ended with the script.
#
#   server_start NAME [setting...]   sets SERVER_DIR (socket folder) and SERVER_PORT; several may run
#   servers_stop                     also runs at exit; a script with a trap of its own calls it there

SERVERS=
servers_stop() {
	local data
	for data in $SERVERS; do
		$DTS_AS pg_ctl -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
		rm -rf "$data"
	done
	SERVERS=
}
trap servers_stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

server_start() {
	local name=$1 data=$DTS_TMP/run/$1 line
	shift
	SERVER_DIR=$DTS_TMP/run
	# Servers listen on sockets only, so a port need only be free within the folder.
	SERVER_PORT=${SERVER_PORT:-6000}
	while [ -e "$SERVER_DIR/.s.PGSQL.$SERVER_PORT" ]; do SERVER_PORT=$((SERVER_PORT + 1)); done
	$DTS_AS initdb -D "$data" -A trust -N -E UTF8 --locale=C.UTF-8 >"$DTS_TMP/$name.initdb" 2>&1 || { cat "$DTS_TMP/$name.initdb"; return 1; }
	{
		echo "port = $SERVER_PORT"
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$SERVER_DIR'"
		echo "wal_level = logical"
		echo "max_replication_slots = 20"
		echo "max_wal_senders = 20"
		echo "max_prepared_transactions = 10"
		echo "fsync = off"
		for line in "$@"; do echo "$line"; done
	} | $DTS_AS tee -a "$data/postgresql.conf" >/dev/null
	# Current minor releases refuse an output plugin that this does not name; older ones do not know it.
	if $DTS_AS postgres -C output_plugin_libraries -D "$data" >/dev/null 2>&1; then
		echo "output_plugin_libraries = 'pgoutput,test_decoding,dts_decoder'" | $DTS_AS tee -a "$data/postgresql.conf" >/dev/null
	fi
	SERVERS="$SERVERS $data"
	$DTS_AS pg_ctl -D "$data" -l "$data.log" -w start >/dev/null || { tail -20 "$data.log"; return 1; }
}
