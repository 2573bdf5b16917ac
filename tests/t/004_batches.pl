# A failing transaction in the middle of many in flight: the target holds exactly what came before it.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->sql_source(<<'SQL');
CREATE TABLE log (seq int PRIMARY KEY, v int, pad text);
CREATE TABLE side (seq int PRIMARY KEY);
SQL
$t->start_daemon;
$t->run_job('j');
my $n = 3000;
for my $case (
	[ 'a check', 'ALTER TABLE log ADD CONSTRAINT poison CHECK (v <> 666) NOT VALID', 'ALTER TABLE log DROP CONSTRAINT poison' ],
	[ 'a missing table', 'ALTER TABLE side RENAME TO hidden', 'ALTER TABLE hidden RENAME TO side' ],
	[ 'a unique key', 'CREATE UNIQUE INDEX poison ON log (v) WHERE v = 666; INSERT INTO log VALUES (-1, 666)', 'DROP INDEX poison; DELETE FROM log WHERE seq = -1' ])
{
	my ($what, $break, $mend) = @$case;
	$t->sql_source('TRUNCATE log, side');
	$t->caught_up('j');
	$t->act('pause', 'j');
	$t->wait_job('j', 'paused');
	# One transaction per row, the bad one in the middle, and other tables touched behind it.
	$t->sql_source("DO \$\$ BEGIN FOR i IN 1 .. $n LOOP INSERT INTO log VALUES (i, CASE WHEN i = $n / 2 THEN 666 ELSE i + 1000 END, repeat('x', 300)); IF i >= $n / 2 THEN INSERT INTO side VALUES (i); END IF; COMMIT; END LOOP; END \$\$");
	$t->sql_target($break);
	$t->act('resume', 'j');
	my ($rc, $out, $err) = $t->try_ctl("CALL dts_wait('j', 'caught_up', '100 s')");
	isnt($rc, 0, "$what: waiting for the impossible fails");
	$t->wait_state('j', 'error|retrying');
	# at one moment: the server may still be ending what a session had sent
	my ($top, $there) = split /\|/, $t->sql_target('SELECT coalesce(max(seq), 0), count(*) FROM log WHERE seq > 0');
	is($there, $top, "$what: a prefix of the transactions is there, without holes ($top)");
	cmp_ok($top, '<', $n / 2, "$what: nothing at or behind the failed one");
	is($t->sql_target("SELECT coalesce(sum(count), 0) FROM (SELECT count(*) FROM " . ($what =~ /table/ ? 'hidden' : 'side') . ") s"), '0', "$what: nothing of the batches behind it");
	my $error = $t->sql_ctl("SELECT error FROM dts_jobs WHERE job = 'j'");
	like($error, $what =~ /table/ ? qr/side/ : qr/poison/, "$what: the error names what is in the way");
	$t->sql_target($mend);
	$t->act('retry', 'j') if $t->state('j') eq 'error';
	$t->equal('j', "$what: equal after it is mended and retried");
}
done_testing;
