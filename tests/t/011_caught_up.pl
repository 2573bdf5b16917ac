# dts_wait(job, 'caught_up') never returns before all that the source had committed is on the target.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;

my $t = DtsTest->new;
$t->sql_source($DtsWorkload::SCHEMA . 'CREATE TABLE token (id int PRIMARY KEY, v text)');
$t->start_daemon;
$t->run_job('j');
my $traffic = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 2, seed => 5);
my $early = 0;
my $rounds = $ENV{DTS_ROUNDS_CAUGHT_UP} // 40;
for my $i (1 .. $rounds)
{
	$t->sql_source("INSERT INTO token VALUES ($i, 'x')" . ($i % 10 ? '' : "; INSERT INTO wl.keyed SELECT g, g FROM generate_series(100000 + $i * 30000, 100000 + $i * 30000 + 20000) g"));
	$t->caught_up('j');
	$early++ if $t->sql_target("SELECT count(*) FROM token WHERE id = $i") ne '1';
}
is($early, 0, "never early in $rounds rounds under traffic");
$traffic->stop;
DtsWorkload->finish_prepared($t);

# It waits while the target is held up, whatever messages somebody forges.
my $lock = $t->session('target');
$lock->do('BEGIN; LOCK TABLE token IN ACCESS EXCLUSIVE MODE');
$t->sql_source("INSERT INTO token VALUES (0, 'held')");
my $slot = $t->slot('j');
my $forger = $t->session('target', 'ctl');
$forger->send("CALL dts_wait('j', 'caught_up', '6 s')");
for my $n (0 .. 50)
{
	$t->sql_source("SELECT pg_logical_emit_message(true, 'dts.marker', '$slot/' || md5('guess') || '/$n'), pg_logical_emit_message(true, 'dts.marker', '$slot/$n'), pg_logical_emit_message(true, 'dts', '$n'), pg_logical_emit_message(false, 'dts.marker', '$slot//$n')");
}
like($forger->result, qr/ERROR/, 'it waits as long as the target is held up, forged messages or not');
$lock->do('COMMIT');
$t->equal('j', 'and comes when the target is free again');

# Nobody's wish that is not yet committed can be waited for.
like(($t->try_ctl("BEGIN; SELECT dts_pause_job('j'); CALL dts_wait('j', 'paused', '20 s'); COMMIT"))[2], qr/ERROR/, 'a wait for the wish of the own open transaction is refused');
is($t->state('j'), 'running', 'and the job runs on');
like(($t->try_ctl("BEGIN ISOLATION LEVEL REPEATABLE READ; CALL dts_wait('j', 'caught_up', '5 s'); COMMIT"))[2], qr/ERROR/, 'a wait under one snapshot is refused');
# A wait ends with the job's own error.
$t->sql_target('ALTER TABLE token ADD CONSTRAINT positive CHECK (id > 0) NOT VALID');
$t->sql_source("INSERT INTO token VALUES (-1, 'bad')");
my ($rc, $out, $err) = $t->try_ctl("CALL dts_wait('j', 'caught_up', '100 s')");
$t->wait_state('j', 'error|retrying');
if ($t->state('j') eq 'error') { like($err, qr/positive/, 'a wait ends with the error of the job'); }
done_testing;
