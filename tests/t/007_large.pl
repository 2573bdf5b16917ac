# Transactions of millions of rows, and values of many megabytes, in bounded memory.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $rows = $ENV{DTS_LARGE_ROWS} // 1_000_000;
# A transaction held in memory would need more for each row than this leaves.
my $limit = 48 + $rows * 80 / 1e6;
$limit = 256 if $limit > 256;
for my $streaming (0, 1)
{
	my $mode = $streaming ? 'streamed' : 'unstreamed';
	my $t = DtsTest->new(source_conf => ["logical_decoding_work_mem = '16MB'"]);
	$t->sql_source(<<'SQL');
CREATE TABLE many (id int PRIMARY KEY, v text, w int);
CREATE TABLE value (id int PRIMARY KEY, v text, n int);
ALTER TABLE value ALTER v SET STORAGE EXTERNAL;
SQL
	$t->start_daemon;
	$t->run_job('j', options => { streaming => $streaming ? JSON::PP::true : JSON::PP::false });
	$t->sql_source("INSERT INTO many SELECT i, md5(i::text), 0 FROM generate_series(1, $rows) i");
	$t->caught_up('j', 300);
	my $peak = $t->{daemon}->peak_mb;
	diag(sprintf "%s: %d rows in one transaction, peak of the daemon's processes %.0f MB", $mode, $rows, $peak);
	cmp_ok($peak, '>', 1, "$mode: the peak was measured");
	cmp_ok($peak, '<', $limit, "$mode: under $limit MB for a transaction of $rows rows");
	$t->sql_source("DO \$\$ BEGIN FOR i IN 1 .. 10000 LOOP BEGIN UPDATE many SET w = i, v = repeat(v, 30) WHERE id = i; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$");
	$t->caught_up('j', 300);
	cmp_ok($t->{daemon}->peak_mb, '<', $limit, "$mode: and for one of 10,000 subtransactions");
	if (!$streaming)
	{
		$t->sql_source("BEGIN; UPDATE many SET w = 1 WHERE id <= 200000; DELETE FROM many WHERE id > $rows - 100000; SAVEPOINT a; DELETE FROM many WHERE id < 100000; ROLLBACK TO a; COMMIT");
	}
	else
	{
		# Two streamed at once, with savepoints rolled back, and a third that never commits.
		my @s = map { $t->session('source') } 1 .. 3;
		$_->do('BEGIN') for @s;
		for my $round (0 .. 4)
		{
			for my $n (0 .. 2)
			{
				my $from = 30000000 + $n * 1000000 + $round * 20000;
				my $to = $from + 19999;
				$s[$n]->do("INSERT INTO many SELECT i, repeat(md5(i::text), 4), $n FROM generate_series($from, $to) i; SAVEPOINT s$round");
			}
			$s[1]->do("DELETE FROM many WHERE id % 7 = 0 AND id > 31000000; ROLLBACK TO s$round") if $round == 2;
		}
		$s[2]->do('ROLLBACK');
		$s[1]->do('COMMIT');
		$s[0]->do('COMMIT');
	}
	$t->sql_source("INSERT INTO value SELECT 1, string_agg(md5(i::text), ''), 0 FROM generate_series(1, 1000000) i; UPDATE value SET n = 1; INSERT INTO value VALUES (2, repeat('x', 70000), 3)");
	$t->caught_up('j', 300);
	$t->compare("$mode: equal");
	diag(sprintf "%s: peak with a value of 32 MB %.0f MB", $mode, $t->{daemon}->peak_mb);
	$t->stop_job('j');
	$t->clean("$mode: nothing is left behind");
	$t->finish;
	$t->{$_}->stop('immediate') for qw(source target);
}
done_testing;
