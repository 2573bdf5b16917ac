# DtsTest: servers, daemons and jobs for whole-job tests.
#
# A DtsTest is a source server, a target server, a control database (on the target's server, in a database of
# its own), and any number of daemons.  Everything it starts it ends, by process id, also when the test dies.
package DtsTest;

use strict;
use warnings;
use Carp;
use Fcntl ':flock';
use File::Basename qw(dirname);
use File::Path qw(make_path);
use IPC::Open3;
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Symbol 'gensym';
use Test::More;
use Time::HiRes qw(sleep time);

BEGIN
{
	# Before PostgreSQL::Test::Utils reads it: data folders and logs of each test apart.
	my ($name) = $0 =~ m{([^/]+?)\.pl$};
	$ENV{TESTDIR} = "$ENV{DTS_TMP}/run/" . ($name // 'test');
	$ENV{TESTDATADIR} = "$ENV{TESTDIR}/tmp_check";
	$ENV{TESTLOGDIR} = "$ENV{TESTDATADIR}/log";
	make_path($ENV{TESTDIR}, $ENV{TESTLOGDIR});
}
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use DtsSession;

our $TIMEOUT = $ENV{DTS_TEST_TIMEOUT} // 180;
our $in_child = 0; # set by a process that forks away from the test
my @instances;
my $last_words; # what the test died of
my $dying = $SIG{__DIE__};
$SIG{__DIE__} = sub { $last_words = $_[0] if defined $^S && !$^S; $dying->(@_) if ref $dying; };

# Settings that change how values look, on purpose far from the defaults.
our @HOSTILE = (
	"datestyle = 'SQL, DMY'", "intervalstyle = 'sql_standard'", "bytea_output = 'escape'",
	"extra_float_digits = -15", "timezone = 'Asia/Kathmandu'", "xmlbinary = 'hex'",
	"standard_conforming_strings = off", "backslash_quote = on", "row_security = on",
	"default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on",
	"search_path = 'nowhere'", "escape_string_warning = off", "array_nulls = off",
	"gin_fuzzy_search_limit = 1", "check_function_bodies = on", "xmloption = 'document'");
push @HOSTILE, map { "$_ = '$ENV{DTS_LOCALE}'" } qw(lc_monetary lc_numeric lc_time) if $ENV{DTS_LOCALE};

# Options: source_conf, target_conf (array of lines), hostile ('source', 'target', 'both'), database.
sub new
{
	my ($class, %opt) = @_;
	my $self = bless { daemons => [], user => scalar getpwuid($<), endpoints => 0, %opt }, $class;
	my $hostile = $opt{hostile} // '';
	push @instances, $self;
	$self->{source} = _server('source', @{ $opt{source_conf} // [] },
		$hostile =~ /source|both/ ? @HOSTILE : ());
	$self->{target} = _server('target', @{ $opt{target_conf} // [] },
		$hostile =~ /target|both/ ? @HOSTILE : ());
	$self->{target}->safe_psql('postgres', 'CREATE DATABASE ctl');
	# Where the extension goes, and dts_wait needs to see what is committed meanwhile; all other settings stay as hostile as they are.
	$self->{target}->safe_psql('postgres', "ALTER DATABASE ctl SET search_path = public; ALTER DATABASE ctl SET default_transaction_isolation = 'read committed'");
	$self->sql_ctl('CREATE EXTENSION dts');
	$self->database($opt{database} // 'app');
	return $self;
}

sub _server
{
	my ($name, @conf) = @_;
	# Folders are named after nodes, and a test may make several pairs.
	my ($bin) = ($ENV{SOURCE_PG_CONFIG} // '') =~ m{(.*)/};
	undef $bin if $name ne 'source';
	my $node = PostgreSQL::Test::Cluster->new($name . (@instances > 1 ? scalar @instances : ''),
		$bin ? (install_path => dirname($bin)) : ());
	{
		no warnings 'redefine';
		my $run = \&PostgreSQL::Test::Utils::system_or_bail;
		# A server of another version has programs of its own.
		local *PostgreSQL::Test::Utils::system_or_bail = sub { return $_[0] eq 'initdb' && !$bin ? _copy_template(@_) : $run->(@_); };
		$node->init(extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ]);
	}
	$node->append_conf('postgresql.conf', join "\n",
		"wal_level = logical", "max_wal_senders = 30", "max_replication_slots = 30", "max_connections = 100",
		"max_prepared_transactions = 20", "max_worker_processes = 16", "restart_after_crash = on",
		"log_statement = none", "log_min_duration_statement = -1", "shared_buffers = 64MB",
		"max_wal_size = 2GB", "wal_sender_timeout = 20s", "log_error_verbosity = verbose", '');
	my $data = $node->data_dir;
	my $postgres = $bin ? "'$bin/postgres'" : 'postgres';
	if (system("$postgres -C output_plugin_libraries -D '$data' >/dev/null 2>&1") == 0)
	{
		$node->append_conf('postgresql.conf', "output_plugin_libraries = 'pgoutput,test_decoding,dts_decoder'\n");
	}
	$node->append_conf('postgresql.conf', join "\n", @conf, '') if @conf;
	$node->start;
	return $node;
}

# What initdb would make, copied from what it made once for all tests: that takes half of the time.
sub _copy_template
{
	my @initdb = @_;
	my $template = "$ENV{DTS_TMP}/run/template";
	my ($at) = grep { $initdb[$_] =~ /^(?:-D|--pgdata)$/ } 0 .. $#initdb;
	my $data = $initdb[ $at + 1 ];
	open my $lock, '>', "$template.lock" or croak "$template.lock: $!";
	flock $lock, LOCK_EX or croak "flock: $!";
	if (!-d $template)
	{
		$initdb[ $at + 1 ] = "$template.new";
		PostgreSQL::Test::Utils::run_log(\@initdb) or croak 'initdb failed';
		# statistics that are older than the server would pass for its usual load
		unlink glob("$template.new/pg_wal/0*"), glob("$template.new/pg_stat/*");
		rename "$template.new", $template or croak "$template: $!";
	}
	close $lock;
	system('cp', '-a', $template, $data) == 0 or croak "$data could not be made";
	# Servers are told apart by their system identifier.  Of a control file that is not in order pg_resetwal keeps what it finds there.
	open my $control, '+<:raw', "$data/global/pg_control" or croak "pg_control: $!";
	syswrite $control, pack('Q', (int(time) << 32) + int((time - int time) * 1_000_000) * 4096 + ($$ & 4095));
	close $control;
	PostgreSQL::Test::Utils::run_log([ 'pg_resetwal', '-f', '-D', $data ]) or croak 'pg_resetwal failed';
	return;
}

# Another pair of databases, current from now on.
sub database
{
	my ($self, $name) = @_;
	$self->{database} = $name;
	$self->{$_}->safe_psql('postgres', "CREATE DATABASE \"$name\"") for qw(source target);
	return;
}

sub conninfo
{
	my ($self, $end, $database) = @_;
	my $node = $self->{$end};
	return sprintf "host=%s port=%d dbname=%s user=%s", $node->host, $node->port, $database // $self->{database},
		$self->{user};
}

# The server's major version.
sub version { my ($self, $end) = @_; return int($self->_sql($end, 'postgres', 'SHOW server_version_num') / 10000); }

# SQL that must succeed; text of the result.
sub sql_source { my $self = shift; return $self->_sql('source', $self->{database}, @_); }
sub sql_target { my $self = shift; return $self->_sql('target', $self->{database}, @_); }
sub sql_ctl { my $self = shift; return $self->_sql('target', 'ctl', @_); }
sub _sql
{
	my ($self, $end, $database, $sql) = @_;
	my ($rc, $out, $err) = $self->try($end, $database, $sql);
	croak "$end: $sql\nfailed: $err" if $rc;
	return $out;
}
# SQL that may fail: (exit status, output, messages).
sub try_ctl { my ($self, $sql) = @_; return $self->try('target', 'ctl', $sql); }
sub try
{
	my ($self, $end, $database, $sql) = @_;
	my ($out, $err) = ('', '');
	my $pid = open3(my $in, my $o, my $e = gensym, 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose',
		'-d', $self->conninfo($end, $database), '-f', '-');
	local $SIG{PIPE} = 'IGNORE';
	print $in "\\set VERBOSITY default\n", $sql, "\n";
	close $in;
	my $bits = '';
	vec($bits, fileno($_), 1) = 1 for $o, $e;
	while ($bits =~ /[^\0]/)
	{
		select(my $ready = $bits, undef, undef, 1);
		for ([ $o, \$out ], [ $e, \$err ])
		{
			my ($fh, $to) = @$_;
			next if !vec($bits, fileno($fh), 1) || !vec($ready, fileno($fh), 1);
			sysread($fh, $$to, 65536, length $$to) or vec($bits, fileno($fh), 1) = 0;
		}
	}
	waitpid $pid, 0;
	my $rc = $?;
	chomp $out;
	return ($rc, $out, $err);
}
# Statements on the source of which some may fail, one after the other.
sub run_script
{
	my ($self, $sql) = @_;
	my $pid = open3(my $in, my $out, undef, 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $self->conninfo('source'), '-f', '-');
	local $SIG{PIPE} = 'IGNORE';
	print $in $sql;
	close $in;
	my $said = do { local $/; <$out> };
	waitpid $pid, 0;
	return $said;
}
sub session
{
	my ($self, $end, $database) = @_;
	return DtsSession->new($self->conninfo($end, $database));
}

# --- Daemons

# Options: lease (seconds), args (array, more of the command line), bare (nothing else there), fault ("name=kill,..."), env (hash).  Faults are hit once per test object
# and name, unless fault_dir says otherwise.
sub start_daemon
{
	my ($self, %opt) = @_;
	my $number = ++$self->{daemon_count};
	my $log = "$ENV{TESTDIR}/daemon$number.log";
	my $faults = $opt{fault_dir} // "$ENV{TESTDIR}/faults$number";
	make_path($faults);
	my @command = ('dts_applier', $opt{bare} ? () : ('--control', $self->conninfo('target', 'ctl'), '--log-level', 'debug'));
	push @command, '--lease', $opt{lease} if $opt{lease};
	push @command, @{ $opt{args} // [] };
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log or POSIX::_exit(127);
		open STDERR, '>&', \*STDOUT;
		$ENV{DTS_FAULT} = $opt{fault} // '';
		$ENV{DTS_FAULT_DIR} = $faults;
		delete $ENV{DTS_FAULT} if !$opt{fault};
		$ENV{$_} = $opt{env}{$_} for keys %{ $opt{env} // {} };
		exec @command or POSIX::_exit(127);
	}
	my $daemon = bless { pid => $pid, log => $log, faults => $faults }, 'DtsTest::Daemon';
	push @{ $self->{daemons} }, $daemon;
	return $self->{daemon} = $daemon;
}

# --- Jobs

sub job_conninfo_sql { my $text = shift; $text =~ s/'/''/g; return $text; }

# Endpoints for the current databases, and a job between them.  Returns the job's name.
sub create_job
{
	my ($self, $job, %opt) = @_;
	my $n = ++$self->{endpoints};
	my %arg = (kind => 'sync', options => {}, %opt);
	my $options = job_conninfo_sql(JSON::PP->new->canonical->encode($arg{options}));
	for my $end (qw(source target))
	{
		my $conninfo = job_conninfo_sql($arg{"${end}_conninfo"} // $self->conninfo($end));
		$self->sql_ctl("SELECT dts_create_endpoint('$end$n', 'postgresql', '$conninfo')");
	}
	$self->sql_ctl("SELECT dts_create_job('$job', 'source$n', 'target$n', kind => '$arg{kind}', options => '$options')");
	return $job;
}
sub check_job
{
	my ($self, $job) = @_;
	$self->sql_ctl("SELECT dts_check_job('$job')");
	my ($rc, $out, $err) = $self->try_ctl("CALL dts_wait('$job', 'checked', '$TIMEOUT s')");
	return if !$rc;
	croak "$err\n" . $self->sql_ctl("SELECT * FROM dts_check_results('$job') WHERE result <> 'pass'");
}
sub start_job { my ($self, $job) = @_; return $self->sql_ctl("SELECT dts_start_job('$job')"); }
sub wait_job
{
	my ($self, $job, $until, $timeout) = @_;
	$timeout //= $TIMEOUT;
	my ($rc, $out, $err) = $self->try_ctl("CALL dts_wait('$job', '$until', '$timeout s')");
	return if !$rc;
	croak "waiting for $job to be $until: $err" . $self->job_report($job);
}
# Create, check, start, wait for the incremental phase (or for another state).
sub run_job
{
	my ($self, $job, %opt) = @_;
	$self->create_job($job, %opt);
	$self->check_job($job);
	$self->start_job($job);
	$self->wait_job($job, $opt{until} // 'incremental', $opt{timeout});
	return;
}
sub act { my ($self, $action, $job) = @_; return $self->sql_ctl("SELECT dts_${action}_job('$job')"); }
sub state { my ($self, $job) = @_; return $self->sql_ctl("SELECT state FROM dts_jobs WHERE job = '$job'"); }
sub slot { my ($self, $job) = @_; return $self->sql_ctl("SELECT slot_name FROM dts.job WHERE name = '$job'"); }
sub caught_up { my ($self, $job, $timeout) = @_; return $self->wait_job($job, 'caught_up', $timeout); }
sub stop_job
{
	my ($self, $job) = @_;
	$self->act('stop', $job);
	$self->wait_job($job, 'stopped');
	return;
}
sub job_report
{
	my ($self, $job) = @_;
	my ($rc, $out) = $self->try_ctl(
		"\\x on\nSELECT * FROM dts_jobs WHERE job = '$job';\n\\x off\nSELECT * FROM dts_job_events WHERE job = '$job'");
	my $log = $self->{daemon} ? $self->{daemon}->tail(30) : '';
	return "\n$out\n$log";
}

# What the precheck said of an item, as "result: detail".
sub check_answer { my ($self, $job, $item) = @_; return $self->sql_ctl("SELECT result || ': ' || detail FROM dts_check_results('$job') WHERE item = '$item' ORDER BY result = 'pass'"); }
sub check_remedy { my ($self, $job, $item) = @_; return $self->sql_ctl("SELECT remedy FROM dts_check_results('$job') WHERE item = '$item' AND result <> 'pass'"); }
# Runs a remedy as it stands, each part where the comment behind it says; dies when it is no SQL, or fails.
sub paste
{
	my ($self, $remedy) = @_;
	my $rest = $remedy;
	while ($rest =~ s/^([A-Z].*?;) -- (?:on the|in the) (source|target|control database)\b[^\n]*\s*//s)
	{
		my ($end, $database) = $2 eq 'control database' ? ('target', 'ctl') : ($2, $self->{database});
		$self->_sql($end, $database, $&);
	}
	croak "not to be pasted: $rest" if $rest ne '' || $remedy eq '';
	return $remedy;
}

# Polls until the code returns true; dies with the description.
sub wait_for
{
	my ($self, $what, $code, $timeout) = @_;
	my $end = time + ($timeout // $TIMEOUT);
	while (1)
	{
		my $value = $code->();
		return $value if $value;
		if (time > $end)
		{
			croak "timed out waiting for $what";
		}
		sleep 0.1;
	}
}
sub wait_state
{
	my ($self, $job, $state, $timeout) = @_;
	my $last = '';
	eval { $self->wait_for("$job to be $state", sub { ($last = $self->state($job)) =~ /^(?:$state)$/ }, $timeout); 1 }
		or croak "$@ (it is $last)" . $self->job_report($job);
	return $last;
}
# A job that tries again is in that state for a second or two, time and again: state and reason are looked at together.
sub wait_retrying
{
	my ($self, $job, $reason) = @_;
	return $self->wait_for("$job to try again", sub { $self->sql_ctl("SELECT concat_ws(' ', error, error_hint) FROM dts_jobs WHERE job = '$job' AND state = 'retrying'") =~ $reason });
}

# --- Equality, judged by the comparer that shares no code with the product

sub compare
{
	my ($self, $what, @args) = @_;
	push @args, '--like', $self->schema_of_source if grep({ $_ eq '--schema' } @args) && $self->version('source') != $self->version('target');
	push @args, '--any-not-null-names' if $self->version('source') < 18 && $self->version('target') >= 18;
	my $command = join ' ', map { s/'/'\\''/gr =~ s/(.*)/'$1'/sr } 'perl', "$ENV{DTS_TMP}/tests/compare/dts_compare",
		@args, $self->conninfo('source'), $self->conninfo('target');
	my $out = `$command 2>&1`;
	my $equal = $? == 0;
	ok($equal, $what) or diag($out);
	return $equal;
}
# A database on the target's server that psql made from the source's schema: conninfo.
sub schema_of_source
{
	my $self = shift;
	my $name = "$self->{database}_like";
	$self->_sql('target', 'postgres', "DROP DATABASE IF EXISTS $name");
	$self->_sql('target', 'postgres', "CREATE DATABASE $name");
	my ($from, $to) = ($self->conninfo('source'), $self->conninfo('target', $name));
	my $out = `PGOPTIONS='-c search_path=pg_catalog' pg_dump --schema-only --no-publications --no-subscriptions --exclude-schema=dts --exclude-table='public.dts_*' -d '$from' | grep -v -x 'CREATE SCHEMA public;' | grep -vE 'EVENT TRIGGER dts_capture_|EXECUTE FUNCTION dts\\.capture_' | psql -Xq -v ON_ERROR_STOP=1 -d '$to' 2>&1`;
	croak "the source's schema could not be restored: $out" if $?;
	return $to;
}
# Waits until all is there, then compares.
sub equal
{
	my ($self, $job, $what, @args) = @_;
	eval { $self->caught_up($job); 1 } or do { fail($what); diag($@); return 0; };
	return $self->compare($what, @args);
}
# What a job may leave behind, on each end: a list of texts, empty when clean.
sub leftovers
{
	my $self = shift;
	my @left;
	for my $end (qw(source target))
	{
		my @checks = (
			"SELECT 'slot ' || slot_name FROM pg_replication_slots",
			"SELECT 'origin ' || roname FROM pg_replication_origin",
			"SELECT 'session ' || application_name FROM pg_stat_activity WHERE application_name LIKE 'dts\\_sync\\_%'",
			"SELECT 'schema dts' FROM pg_namespace WHERE nspname = 'dts'",
			"SELECT 'object ' || c.oid::regclass FROM pg_class c WHERE relname LIKE 'dts\\_%' OR relnamespace = to_regnamespace('dts')",
			"SELECT 'function ' || p.oid::regprocedure FROM pg_proc p WHERE proname LIKE 'dts\\_%'",
			"SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'dts\\_%' AND " . ($end eq 'source' ? 'true' : 'false'),
			"SELECT 'event trigger ' || evtname FROM pg_event_trigger WHERE evtname LIKE 'dts%'",
			"SELECT 'setting of ' || setrole || '/' || datname FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname <> 'ctl'");
		my $out = $self->_sql($end, $self->{database}, 'SET search_path = pg_catalog; SET standard_conforming_strings = on; ' . join ' UNION ALL ', @checks);
		push @left, map { "$end: $_" } split /\n/, $out;
	}
	return @left;
}
# $other: the slot of a job that still lives on these servers.
sub clean
{
	my ($self, $what, $other) = @_;
	# A backend that was told to end is gone a moment later.
	my $count = sub { grep { !defined $other || !/ \Q$other\E$/ } $self->leftovers };
	eval { $self->wait_for('sessions to end', sub { !grep { /session/ } $count->() }) };
	my @left = $count->();
	return is_deeply(\@left, [], $what);
}

# --- The end

sub finish
{
	my $self = shift;
	for my $daemon (@{ $self->{daemons} })
	{
		$daemon->cont;
		$daemon->kill9 if $daemon->alive;
	}
	return;
}
END
{
	my $status = $?;
	if (!$in_child)
	{
		# PostgreSQL::Test sends what a dying test says to its log only.
		my ($log) = glob "$ENV{TESTDIR}/tmp_check/log/regress_log_*";
		if ($status && $log && open my $in, '<', $log)
		{
			my @lines = <$in>;
			splice @lines, 0, @lines - 15 if @lines > 15;
			diag("the test died with status $status:\n", $last_words // '', "last lines of its log:\n", @lines);
		}
		for my $self (@instances)
		{
			$self->finish;
			if ($status || !Test::More->builder->is_passing)
			{
				diag("last lines of $_->{log}:\n" . $_->tail(25)) for @{ $self->{daemons} };
			}
		}
	}
	$? = $status;
}

package DtsTest::Daemon;

use strict;
use warnings;
use POSIX ':sys_wait_h';
use Time::HiRes qw(sleep time);

sub pid { return $_[0]{pid}; }
sub alive
{
	my $self = shift;
	return 0 if $self->{gone};
	return 1 if waitpid($self->{pid}, WNOHANG) == 0;
	$self->{status} = $?;
	$self->{gone} = 1;
	return 0;
}
# Every process below the daemon: workers, copy workers, programs.
sub descendants
{
	my ($self, $pid) = @_;
	$pid //= $self->{pid};
	my @all;
	for my $task (glob "/proc/$pid/task/*/children")
	{
		open my $in, '<', $task or next;
		for my $child (split ' ', <$in> // '') { push @all, $child, $self->descendants($child); }
	}
	return @all;
}
# Direct children: one per job.
sub workers
{
	my $self = shift;
	open my $in, '<', "/proc/$self->{pid}/task/$self->{pid}/children" or return;
	return grep { !_watches($_) } split ' ', <$in> // '';
}
# Processes beside the jobs.
sub _watches
{
	my $pid = shift;
	open my $in, '<', "/proc/$pid/comm" or return 0;
	return (<$in> // '') =~ /^dts_(?:slots|alerts)$/;
}
sub kill9
{
	my $self = shift;
	kill KILL => $self->{pid};
	return $self->_reap(60);
}
# Asks it to leave, and waits: exit status, or undef when it did not.
sub stop
{
	my ($self, $timeout) = @_;
	kill TERM => $self->{pid};
	return $self->_reap($timeout // $DtsTest::TIMEOUT);
}
sub freeze
{
	my $self = shift;
	my @pids = ($self->{pid}, $self->descendants);
	kill STOP => @pids;
	$self->{frozen} = { map { $_ => 1 } @pids, @{ $self->{frozen} ? [ keys %{ $self->{frozen} } ] : [] } };
	return @pids;
}
sub cont
{
	my $self = shift;
	kill CONT => $_ for keys %{ $self->{frozen} // {} };
	return;
}
sub _reap
{
	my ($self, $timeout) = @_;
	my $end = time + $timeout;
	while ($self->alive)
	{
		return undef if time > $end;
		sleep 0.05;
	}
	return $self->{status};
}
# Pid of the process that hit the fault point; undef before.
sub fault_pid
{
	my ($self, $name) = @_;
	open my $in, '<', "$self->{faults}/$name" or return undef;
	my ($pid) = (<$in> // '') =~ /(\d+)/;
	return $pid;
}
# Peak of the resident size over the daemon's processes that live now, in MB.
sub peak_mb
{
	my $self = shift;
	my $peak = 0;
	for my $pid ($self->{pid}, $self->descendants)
	{
		open my $in, '<', "/proc/$pid/status" or next;
		while (<$in>) { $peak = $1 / 1024 if /^VmHWM:\s+(\d+)/ && $1 / 1024 > $peak; }
	}
	return $peak;
}
sub log_text { my $self = shift; open my $in, '<', $self->{log} or return ''; local $/; return scalar(<$in>) // ''; }
sub tail { my ($self, $n) = @_; my @l = split /^/, $self->log_text; splice @l, 0, @l - $n if @l > $n; return join '', @l; }

1;
