# Tables are reloaded while the job streams under random load, and beside an open transaction of another database; the others never stop.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;
use Time::HiRes qw(time);

my $t = DtsTest->new;
$t->sql_source($DtsWorkload::SCHEMA);
$t->sql_source('CREATE TABLE public.big (id int PRIMARY KEY, v text); INSERT INTO big SELECT i, md5(i::text) FROM generate_series(1, 100000) i; CREATE TABLE public.small (id int PRIMARY KEY)');
$t->start_daemon;
$t->run_job('j', options => { workers => 2 });

sub change { my ($sql) = @_; $t->sql_ctl($sql); return $t->sql_ctl("SELECT max(id) FROM dts_job_changes WHERE job = 'j'"); }
sub answered
{
	my ($id) = @_;
	$t->wait_for("request $id", sub { $t->sql_ctl("SELECT state FROM dts_job_changes WHERE id = $id") ne 'asked' });
	return $t->sql_ctl("SELECT state FROM dts_job_changes WHERE id = $id");
}
sub table_state { my ($name) = @_; my ($s, $n) = split /\./, $name; return $t->sql_target("SELECT state FROM dts.target_table WHERE schema_name = '$s' AND table_name = '$n'"); }
sub joined { my ($name) = @_; return $t->wait_for("$name to join", sub { table_state($name) eq 'joined' }); }

my $load = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 2, seed => 21, pause => 0.005, truncate => 1);

# What a session takes says how fast the machine is.
my $slowest = 0;
sub probe { my $begun = time; $t->sql_source('SELECT 1'); my $took = time - $begun; $slowest = $took if $took > $slowest; return; }
# How long it takes until a copy begins.
sub begins
{
	my ($schema, $table) = @_;
	probe() for 1 .. 3;
	my $asked = time;
	is(answered(change("SELECT dts_reload_table('j', '$schema.$table')")), 'done', "a reload of $table is accepted");
	$t->wait_for('the copy to begin', sub { $t->sql_target("SELECT copies FROM dts.target_table WHERE table_name = '$table'") == 2 });
	my $took = time - $asked;
	probe() for 1 .. 3;
	return $took;
}
my $alone = begins('public', 'small');
cmp_ok($alone, '<', 4 + 20 * $slowest, "it begins within seconds ($alone s)");
joined('public.small');

# Somebody's transaction elsewhere in the cluster holds nothing up.
my $elsewhere = $t->session('source', 'postgres');
$elsewhere->do('BEGIN; SELECT pg_current_xact_id()');
$t->sql_target("UPDATE public.big SET v = 'spoilt' WHERE id <= 10; DELETE FROM public.big WHERE id > 99000");
my $took = begins('public', 'big');
cmp_ok($took, '<', 4 + 20 * $slowest, "it begins as soon beside an open transaction of another database ($took s, without it $alone s)");
joined('public.big');
$elsewhere->do('COMMIT');
is($t->sql_target("SELECT copies FROM dts.target_table WHERE table_name = 'big'"), 2, 'it was copied again, once');
is($t->sql_target("SELECT max(copies) FROM dts.target_table WHERE table_name NOT IN ('big', 'small')"), 1, 'and no other');
for my $table (qw(wl.keyed wl.pair wl.bag wl.part wl.ident wl.child))
{
	is(answered(change("SELECT dts_reload_table('j', '$table')")), 'done', "reload of $table under load");
}
$t->wait_for('all to join', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE state <> 'joined'") == 0 });
cmp_ok($load->stop, '>', 50, 'there was load');
DtsWorkload->finish_prepared($t);
$t->equal('j', 'equal after reloads under load');
is($t->state('j'), 'running', 'the job never left its state');
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'j' AND event IN ('transient', 'trouble')"), 0, 'nothing failed');
$t->stop_job('j');
$t->clean('nothing is left behind');
$t->finish;
done_testing;
