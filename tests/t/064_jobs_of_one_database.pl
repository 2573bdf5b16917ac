# Several jobs between the same two databases: what they share is set up once, whoever comes first, and goes with the last.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $number = 6;
my $t = DtsTest->new;
$t->sql_source(join '', map { "CREATE SCHEMA s$_; CREATE TABLE s$_.t (id int PRIMARY KEY, v text); INSERT INTO s$_.t SELECT g, 'x' FROM generate_series(1, 100) g;" } 1 .. $number);
$t->start_daemon;
my @jobs = map { "j$_" } 1 .. $number;
sub all
{
	my ($action, $until) = @_;
	is($t->sql_ctl(sprintf "SELECT count(*) FROM dts_${action}_job(ARRAY[%s]) WHERE accepted", join ', ', map { "'$_'" } @jobs), $number, "$action: all at once");
	$t->wait_job($_, $until) for @jobs;
	return;
}
$t->create_job("j$_", options => { objects => [ { schema => "s$_" } ] }) for 1 .. $number;
all('check', 'checked');
all('start', 'incremental');
$t->sql_source("INSERT INTO s$_.t SELECT g, 'y' FROM generate_series(101, 200) g") for 1 .. $number;
$t->caught_up($_) for @jobs;
is($t->sql_target('SELECT ' . join ' + ', map { "(SELECT count(*) FROM s$_.t)" } 1 .. $number), 200 * $number, 'each brings its own rows');

# One finds a function missing that another is about to create.
$t->act('pause', 'j1');
$t->wait_job('j1', 'paused');
my $definition = $t->sql_target("SELECT pg_get_functiondef('dts.target_fenced()'::regprocedure)");
$t->sql_target('DROP FUNCTION dts.target_fenced()');
my $other = $t->session('target');
$other->do("BEGIN; SELECT pg_advisory_xact_lock(hashtext('dts'), 1); $definition");
$t->act('resume', 'j1');
my $slot = $t->slot('j1');
$t->wait_for('it to wait for the other', sub { $t->sql_target("SELECT count(*) FROM pg_stat_activity WHERE application_name = '$slot' AND wait_event_type = 'Lock'") == 1 });
$other->do('COMMIT');
$t->sql_source("INSERT INTO s1.t SELECT g, 'z' FROM generate_series(201, 300) g");
$t->caught_up('j1');
is($t->sql_target('SELECT count(*) FROM s1.t'), 300, 'it goes on with what the other has created');

all('stop', 'stopped');
$t->clean('nothing is left behind');
done_testing;
