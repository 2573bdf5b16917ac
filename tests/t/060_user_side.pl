# Whatever becomes of the capture on the source, the users' own commands succeed, soon; and the job says what it has missed.
use strict;
use warnings;
use DtsDisk;
use DtsTest;
use Test::More;
use Time::HiRes qw(time);

my $t = DtsTest->new;
my $disk = DtsDisk->new;
$disk->put_under($t->{source}) if $disk;
$t->{$_}->safe_psql('postgres', 'CREATE ROLE anybody LOGIN') for qw(source target);
$t->sql_source('CREATE SCHEMA mine AUTHORIZATION anybody; CREATE TABLE t (id int PRIMARY KEY); GRANT CREATE ON SCHEMA public TO anybody');
my $daemon = $t->start_daemon;
my ($job, $number, $user) = ('', 0, $t->conninfo('source') =~ s/user=\S+/user=anybody/r);

# What commands take where nothing is captured says how fast the machine is.
$t->{source}->safe_psql('postgres', 'CREATE SCHEMA mine AUTHORIZATION anybody');
sub alone
{
	my $begun = time;
	my $s = DtsSession->new($user =~ s/dbname=\S+/dbname=postgres/r);
	$s->do(join '; ', map { "CREATE TABLE mine.alone_$_ (id int PRIMARY KEY); INSERT INTO mine.alone_$_ VALUES ($_); DROP TABLE mine.alone_$_" } 1 .. 20);
	return time - $begun;
}
my $alone = alone();
# A command of a role without any right, timed.
sub command
{
	my ($sql, $what) = @_;
	my $s = DtsSession->new($user);
	my $begun = time;
	my $error = eval { $s->do($sql); 1 } ? '' : $@;
	my $took = time - $begun;
	is($error, '', "$what: the user's command succeeds");
	# the machine may have become slower since
	$alone = alone() if $took >= 3 + 5 * $alone;
	cmp_ok($took, '<', 3 + 5 * $alone, sprintf('%s: in %.2f s (twenty where nothing is captured: %.2f s)', $what, $took, $alone));
	return;
}
sub begin { $job = 'j' . ++$number; $t->run_job($job, options => { heartbeat_seconds => 1 }); return; }
# The job stops and names what is in doubt; made like the source and told to go on, it does.
sub doubt
{
	my ($named, $mend, $what) = @_;
	$t->sql_source('INSERT INTO t SELECT coalesce(max(id), 0) + 1 FROM t');
	$t->wait_state($job, 'error');
	my $said = $t->sql_ctl("SELECT error || ' ' || coalesce(error_detail, '') FROM dts_jobs WHERE job = '$job'");
	like($said, $named, "$what: the job stops and names the doubt");
	is($t->sql_ctl("SELECT state FROM dts_pending_ddl WHERE job = '$job'"), 'failed', "$what: it is listed");
	$t->sql_target($mend) if $mend;
	$t->sql_ctl("SELECT dts_skip_ddl('$job')");
	$t->wait_state($job, 'running');
	$t->equal($job, "$what: mended, it goes on", '--schema');
	return;
}
sub capture_lives
{
	my $what = shift;
	command('CREATE TABLE mine.after_it (id int PRIMARY KEY); DROP TABLE mine.after_it; CREATE TABLE mine.seen_' . $number . ' (id int PRIMARY KEY)', "$what, afterwards");
	$t->equal($job, "$what: what comes then is captured again", '--schema');
	return;
}

# Locked: the mirror, and then the queue itself, so that not even the gap can be written down.
begin();
my $lock = $t->session('source');
$lock->do('BEGIN; LOCK TABLE public.dts_pg_class IN ACCESS EXCLUSIVE MODE');
command('CREATE TABLE mine.a (id int PRIMARY KEY)', 'mirror locked');
$lock->do('ROLLBACK');
doubt(qr/CREATE TABLE.*mine\.a/s, 'SET ROLE anybody; CREATE TABLE mine.a (id int PRIMARY KEY)', 'mirror locked');
# what was missed and mended is not done once more by the next command of the table
$lock->do('BEGIN; LOCK TABLE public.dts_pg_class IN ACCESS EXCLUSIVE MODE');
command('ALTER TABLE mine.a ADD missed int DEFAULT 1', 'mirror locked again');
$lock->do('ROLLBACK');
doubt(qr/ALTER TABLE.*mine\.a/s, 'ALTER TABLE mine.a ADD missed int DEFAULT 1', 'mirror locked again');
$t->wait_for('the capture to know it', sub { $t->sql_source("SELECT count(*) FROM public.dts_pg_attribute WHERE attrelid = 'mine.a'::regclass AND state ->> 'name' = 'missed'") eq '1' });
command('DO $$ BEGIN ALTER TABLE mine.a ADD next int; ALTER TABLE mine.a RENAME missed TO found; END $$', 'behind a gap');
$t->equal($job, 'behind a gap: by what changed since', '--schema');
$lock->do('BEGIN; LOCK TABLE public.dts_ddl_command, public.dts_args_session IN ACCESS EXCLUSIVE MODE');
command('ALTER TABLE mine.a ADD v text', 'queue locked');
my @sessions = map { DtsSession->new($user) } 1 .. 4;
my $begun = time;
$sessions[$_]->send("CREATE TABLE mine.many_$_ (id int PRIMARY KEY)") for 0 .. 3;
$_->result for @sessions;
my $took = time - $begun;
cmp_ok($took, '<', 5 + 5 * alone(), 'queue locked: four sessions at once do not wait for one another');
$lock->do('ROLLBACK');
$t->wait_state($job, 'error');
like($t->sql_ctl("SELECT error_detail FROM dts_jobs WHERE job = '$job'"), qr/Tables in doubt: mine\.a/, 'queue locked: a message tells, the job looks and names the tables');
$t->stop_job($job);
$t->sql_target('DROP SCHEMA mine CASCADE; DROP TABLE t');

# Full: the queue takes no row of any kind.
begin();
$t->sql_source("ALTER TABLE public.dts_ddl_command ADD CONSTRAINT full_up CHECK (id < 0) NOT VALID");
$t->caught_up($job); # which has looked in vain: nothing of the user's was missed yet
command('CREATE TABLE mine.full_up (id int PRIMARY KEY)', 'queue full');
$t->sql_source('ALTER TABLE public.dts_ddl_command DROP CONSTRAINT full_up');
doubt(qr/Tables in doubt: mine\.full_up/, 'SET ROLE anybody; CREATE TABLE mine.full_up (id int PRIMARY KEY)', 'queue full');
capture_lives('queue full');

# The disk is full for the queue, whose file cannot grow: the users' rows find room.
SKIP:
{
	skip 'no C compiler to build the full disk with', 1 if !$disk;
	$disk->fill($t->sql_source("SELECT pg_relation_filepath('public.dts_ddl_command')"));
	command(join('; ', map { "CREATE TABLE mine.disk_$_ (id int PRIMARY KEY); INSERT INTO mine.disk_$_ VALUES ($_)" } 1 .. 20), 'disk full');
	isnt(($t->try('source', $t->{database}, "INSERT INTO public.dts_ddl_command (xid, at, event, tag, query) SELECT '1', now(), 'none', 'x', repeat(md5(i::text), 50) FROM generate_series(1, 100) i"))[0], 0, 'disk full: it is');
	$disk->free;
	$t->wait_state($job, 'error');
	like($t->sql_ctl("SELECT error || ' ' || error_detail FROM dts_jobs WHERE job = '$job'"), qr/No space left|could not extend|mine\W+disk_/, 'disk full: the job stops and says what is in doubt');
	$t->stop_job($job);
	$t->sql_target('DROP SCHEMA mine CASCADE; DROP TABLE t');
	$t->sql_source('DROP SCHEMA mine CASCADE; CREATE SCHEMA mine AUTHORIZATION anybody');
	begin();
}

# Rights revoked from the owner, and from everybody.
$t->sql_source("REVOKE ALL ON public.dts_ddl_command, public.dts_args_session, public.dts_pg_class, public.dts_pg_attribute FROM PUBLIC; REVOKE USAGE ON SCHEMA dts FROM PUBLIC");
command('CREATE TABLE mine.revoked (id int PRIMARY KEY)', 'rights revoked');
$t->equal($job, 'rights revoked: the superuser who owns it needs none', '--schema');

# Dropped, the queue and then the rest.
$t->sql_source('DROP TABLE public.dts_ddl_command');
command('CREATE TABLE mine.dropped (id int PRIMARY KEY); INSERT INTO mine.dropped VALUES (1)', 'queue dropped');
$t->wait_state($job, 'error');
like($t->sql_ctl("SELECT error || error_detail FROM dts_jobs WHERE job = '$job'"), qr/mine\W+dropped|damaged/, 'queue dropped: the job stops');
$t->sql_source('DROP FUNCTION dts.capture_commands(text); DROP TABLE public.dts_pg_class, public.dts_pg_attribute, dts.capture_job');
command('ALTER TABLE mine.dropped ADD v text', 'functions and tables dropped');
$t->sql_source('DROP TABLE public.dts_postgres_heartbeat');
command('DROP TABLE mine.dropped', 'heartbeat dropped');
$t->stop_job($job);
command('CREATE TABLE mine.at_the_end (id int)', 'without any job');
$t->sql_source($_) for 'DROP SCHEMA IF EXISTS mine CASCADE', split /\n/, $t->sql_source("SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger");
done_testing;
