# The target crashes under load, and loses commits that were visible: nothing of them has been acknowledged to the source, and the
# job sends them again from the position that the target has kept.
use strict;
use warnings;
use DtsTest;
use Test::More;

# The WAL writer would flush what is to be lost.
my $t = DtsTest->new(target_conf => [ "wal_writer_delay = '10s'" ]);
$t->sql_source('CREATE TABLE load (id bigserial PRIMARY KEY, round int); CREATE TABLE bag (id int, n int); ALTER TABLE bag REPLICA IDENTITY FULL');
$t->start_daemon;
$t->run_job('j');
my $slot = $t->slot('j');
sub newest { return $t->sql_target('SELECT COALESCE(max(id), 0) FROM load'); }
# The position before the first transaction is in the table.
sub stored { return $t->sql_target("SELECT GREATEST(end_lsn, (SELECT pg_replication_origin_progress(roname, true) FROM pg_replication_origin WHERE roname = '$slot')) FROM dts.target_progress WHERE slot_name = '$slot'"); }

# Whether something is lost depends on what else made the target flush its WAL just then: so often until it was.
my $lost = 0;
for (my $round = 1; $round <= 4 || !$lost && $round <= 25; $round++)
{
	my $wanted = newest() + 200;
	my $s = $t->session('source');
	$s->send("DO \$\$ BEGIN FOR i IN 1 .. 600 LOOP INSERT INTO load (round) VALUES ($round); UPDATE bag SET n = n + 1; INSERT INTO bag VALUES (i, $round); DELETE FROM bag WHERE id < i - 5; COMMIT; END LOOP; END \$\$");
	$t->wait_for('rows on the target', sub { newest() >= $wanted });
	$t->{daemon}->freeze;
	my $seen = newest();
	$t->{target}->stop('immediate');
	$t->{target}->start;
	$lost++ if newest() < $seen;
	is($t->sql_source("SELECT confirmed_flush_lsn <= '" . stored() . "' FROM pg_replication_slots WHERE slot_name = '$slot'"), 't',
		"crash $round: nothing was acknowledged that the target does not have");
	$t->{daemon}->cont;
	is($s->result, '', 'the load goes on');
	$t->equal('j', 'all of it is there once');
}
cmp_ok($lost, '>', 0, "visible rows were lost in $lost crashes, which is what this is about");
$t->stop_job('j');
done_testing;
