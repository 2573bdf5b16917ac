# The daemon dies at every step of a load beside the stream, and the backlog outgrows memory.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;

my $t = DtsTest->new;
$t->sql_source($DtsWorkload::SCHEMA);
$t->sql_source("CREATE TABLE public.big (id int PRIMARY KEY, v text); INSERT INTO big SELECT i, md5(i::text) FROM generate_series(1, 20000) i");
$t->start_daemon;
$t->run_job('j', options => { workers => 2 });

my $load = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 2, seed => 24, pause => 0.005, truncate => 1);
sub joined { return $t->wait_for('all to join', sub { (eval { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE state <> 'joined'") } // '') eq '0' }); }
sub ended { return $t->wait_for('the requests to be answered', sub { (eval { $t->sql_ctl("SELECT count(*) FROM dts_job_changes WHERE state = 'asked'") } // '') eq '0' }); }

for my $point (qw(table.snapshot_taken table.copied table.before_join table.after_join))
{
	$t->{daemon}->kill9;
	$t->start_daemon(fault => "$point=kill");
	$t->sql_ctl("SELECT dts_reload_table('j', '$_')") for qw(public.big wl.keyed);
	$t->sql_source("UPDATE big SET v = '$point' WHERE id % 7 = 0; DELETE FROM big WHERE id % 1000 = 3; INSERT INTO big SELECT max(id) + 1, '$point' FROM big");
	$t->wait_for("$point to be hit", sub { -e "$t->{daemon}{faults}/$point" });
	ended();
	joined();
	$t->caught_up('j');
	ok(1, "the load goes on after a death at $point");
}
cmp_ok($load->stop, '>', 50, 'there was load');
DtsWorkload->finish_prepared($t);
$t->equal('j', 'equal after all of them');

# The copy stands still while far more comes in than a backlog keeps in memory.
$t->{daemon}->kill9;
my $daemon = $t->start_daemon(fault => 'part.before_commit=stop', fault_dir => "$ENV{TESTDIR}/held");
$t->sql_ctl("SELECT dts_reload_table('j', 'public.big')");
$t->wait_for('the copy to stand still', sub { -e "$ENV{TESTDIR}/held/part.before_commit" });
my $slot = $t->slot('j');
my $held = $t->sql_source("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '$slot'");
$t->sql_source("UPDATE big SET v = repeat('x', 200) || round::text FROM generate_series(1, 3) round") for 1 .. 4;
$t->sql_source("UPDATE wl.keyed SET b = 'passes by' WHERE id < 100");
$t->wait_for('the other tables to go on', sub { $t->sql_target("SELECT count(*) FROM wl.keyed WHERE b = 'passes by'") > 0 });
my @files = grep { /spool\.\w+ \(deleted\)/ } map { readlink($_) // '' } map { glob "/proc/$_/fd/*" } $daemon->descendants;
cmp_ok(scalar @files, '>', 0, 'the backlog is in files without a name');
is($t->sql_source("SELECT confirmed_flush_lsn <= '$held'::pg_lsn + 100000 FROM pg_replication_slots WHERE slot_name = '$slot'"), 't', 'the acknowledgement waits for the table');
my ($rc) = $t->try_ctl("CALL dts_wait('j', 'caught_up', '1 s')");
isnt($rc, 0, 'caught_up does not return before the table has joined');
# A restart in the middle gathers the backlog again.
$daemon->kill9;
$t->sql_source("UPDATE big SET v = 'after' WHERE id % 11 = 0");
$t->start_daemon;
joined();
$t->equal('j', 'equal after a backlog larger than memory, gathered twice');
$t->stop_job('j');
$t->clean('nothing is left behind');
$t->finish;
done_testing;
