# What becomes of commands that change the schema: applied, left out, waiting for an operator; and commands that fail.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->{$_}->safe_psql('postgres', 'CREATE ROLE reader') for qw(source target);
$t->sql_source('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 1)');
$t->start_daemon;
$t->run_job('j', options => { ddl => { default => 'apply', index => 'skip', grant => 'approve', drop => 'approve' } });
sub pending { return $t->sql_ctl("SELECT state, tag, class FROM dts_pending_ddl WHERE job = 'j'"); }
sub wait_pending { my $what = shift; $t->wait_for("$what to wait", sub { pending() eq $what }); return pass("$what"); }
sub events { return $t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'j' AND event = '$_[0]'"); }

# Applied and left out.
$t->sql_source('ALTER TABLE t ADD w int DEFAULT 7; CREATE INDEX t_w ON t (w); INSERT INTO t VALUES (2, 2, 2)');
$t->equal('j', 'rows are equal');
is($t->sql_target("SELECT to_regclass('t_w')"), '', 'an index is left out');
like($t->sql_ctl("SELECT tag, class, source, target, skipped_by FROM dts_skipped_ddl WHERE job = 'j'"), qr/^CREATE INDEX\|index\|.*CREATE INDEX t_w.*\|CREATE INDEX.*\|option ddl$/s, 'and written down, with the SQL of both ends');
is(events('ddl_skipped'), 1, 'with an event');

# Waiting: the stream stands still before it, in its place, and nobody on the target waits for what came before.
$t->sql_source("INSERT INTO t VALUES (3, 'before'); GRANT SELECT ON t TO reader; INSERT INTO t VALUES (4, 'after')");
wait_pending('waiting|GRANT|grant');
is($t->sql_target('SELECT max(id) FROM t'), 3, 'what came before it is there, what came after it is not');
my $free = $t->session('target');
$free->do('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; ROLLBACK');
pass('no lock is held on the target meanwhile');
like($t->sql_ctl("SELECT source || ' / ' || target FROM dts_pending_ddl"), qr{GRANT SELECT ON t TO reader.* / .*GRANT SELECT ON TABLE "public"\."t" TO "reader"}s, 'source text and the SQL that would run are shown');
is(events('ddl_waiting'), 1, 'an event tells of it');
is($t->sql_ctl("SELECT count(*) FROM dts_health WHERE job = 'j' AND what LIKE 'waits with a command%'"), 1, 'and the health');
# another worker finds it as it was
$t->act('pause', 'j');
$t->wait_job('j', 'paused');
$t->act('resume', 'j');
wait_pending('waiting|GRANT|grant');
is(events('ddl_waiting'), 1, 'which is no news');
$t->sql_ctl("SELECT dts_approve_ddl('j')");
$t->equal('j', 'approved: the stream goes on');
is($t->sql_target("SELECT has_table_privilege('reader', 't', 'SELECT')"), 't', 'and the command has run');
$t->sql_source("REVOKE SELECT ON t FROM reader; INSERT INTO t VALUES (5, 'x')");
wait_pending('waiting|REVOKE|grant');
$t->sql_ctl("SELECT dts_skip_ddl('j')");
$t->equal('j', 'left out by the operator: the stream goes on');
is($t->sql_target("SELECT has_table_privilege('reader', 't', 'SELECT')"), 't', 'and the command has not run');
is($t->sql_ctl("SELECT string_agg(tag, ',' ORDER BY lsn) FROM dts_skipped_ddl"), 'CREATE INDEX,REVOKE', 'which is written down');
$t->sql_source('GRANT SELECT ON t TO reader');
wait_pending('waiting|GRANT|grant');
$t->sql_ctl("SELECT dts_approve_ddl('j')");
# in a transaction with rows before it
$t->sql_source("BEGIN; INSERT INTO t VALUES (6, 'x'); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1); DROP TABLE u; INSERT INTO t VALUES (7, 'x'); COMMIT");
wait_pending('waiting|DROP TABLE|drop');
$t->sql_ctl("SELECT dts_approve_ddl('j')");
$t->equal('j', 'a command amid the rows of its transaction');
is($t->sql_target("SELECT to_regclass('u')"), '', 'the table is gone');

# The policy changes while the job runs: what waits is answered by it, what comes is treated so, in the same session of the stream.
my $streams = events('streaming');
$t->sql_source('CREATE TABLE u (id int PRIMARY KEY); DROP TABLE u');
wait_pending('waiting|DROP TABLE|drop');
$t->{daemon}->kill9;
$t->start_daemon;
# the new worker has to be at it before the policy changes: one that begins later would find the new one in its options
$t->wait_for('the stream of the new worker', sub { events('streaming') == $streams + 1 });
$streams++;
wait_pending('waiting|DROP TABLE|drop');
$t->sql_ctl(q{SELECT dts_set_ddl('j', '{"default": "apply", "index": "approve", "comment": "skip"}')});
$t->equal('j', 'a new policy answers what waits');
is($t->sql_target("SELECT to_regclass('u')"), '', 'which has run');
is(pending(), '', 'nothing waits any more');
$t->sql_source("GRANT UPDATE ON t TO reader; COMMENT ON TABLE t IS 'not there'; CREATE TABLE u (id int PRIMARY KEY); DROP TABLE u; CREATE INDEX t_w2 ON t (w)");
wait_pending('waiting|CREATE INDEX|index');
is($t->sql_target("SELECT has_table_privilege('reader', 't', 'UPDATE'), obj_description('t'::regclass), to_regclass('u')"), 't||', 'others are treated by the new one');
$t->sql_ctl(q{SELECT dts_set_ddl('j', '{"index": "skip"}')});
$t->equal('j', 'a policy that leaves out what waits');
is($t->sql_target("SELECT to_regclass('t_w2')"), '', 'which has not run');
like($t->sql_ctl("SELECT string_agg(tag || ' ' || skipped_by, ',' ORDER BY lsn) FROM dts_skipped_ddl WHERE tag ~ 'INDEX|COMMENT'"), qr/^CREATE INDEX option ddl,COMMENT option ddl,CREATE INDEX \w+$/, 'and is written down');
is(events('streaming'), $streams, 'the stream went on all the time');
is(events('ddl_policy'), 2, 'events tell of it');
for ([ '"off"', qr/cannot change in a job that has started.*dts|whether commands are captured/s ], [ '"sometimes"', qr/\$\.ddl/ ], [ '{"tables": "skip"}', qr/unknown option \$\.ddl\.tables/ ])
{
	my ($policy, $said) = @$_;
	my (undef, undef, $err) = $t->try_ctl("SELECT dts_set_ddl('j', '$policy')");
	like($err, $said, "refused: $policy");
}

# Nothing waits: refused, with what to look at.
my ($rc, $out, $err) = $t->try_ctl("SELECT dts_approve_ddl('j')");
like($err, qr/no command of the source waits in job "j".*dts_pending_ddl/s, 'with nothing to approve it says so');

# A command that fails: listed with both texts and the server's words; left out, the job goes on.
$t->sql_target('CREATE TABLE clash (a int)');
$t->sql_source("CREATE TABLE clash (id int PRIMARY KEY); ALTER TABLE t ADD x int; INSERT INTO t (id, x) VALUES (8, 8)");
$t->wait_state('j', 'error');
like($t->sql_ctl("SELECT state, tag, source, target, reason FROM dts_pending_ddl"), qr/^failed\|CREATE TABLE\|.*CREATE TABLE clash.*\|CREATE TABLE.*clash.*\|.*already exists/s, 'a command that failed is listed, with the reason');
like($t->sql_ctl("SELECT error_hint FROM dts_jobs WHERE job = 'j'"), qr/dts_skip_ddl/, 'the error says what can be done');
($rc, $out, $err) = $t->try_ctl("SELECT dts_approve_ddl('j')");
like($err, qr/has failed.*dts_retry_job/s, 'it cannot be approved');
$t->sql_ctl("SELECT dts_skip_ddl('j')");
$t->wait_state('j', 'running');
$t->equal('j', 'left out, the stream goes on', '--table', 'public.t');
is($t->sql_ctl("SELECT count(*) FROM dts_pending_ddl"), 0, 'nothing is pending');
# mended instead
$t->sql_source('CREATE TABLE clash2 (id int PRIMARY KEY, v text)');
$t->caught_up('j');
$t->sql_target('ALTER TABLE clash2 DROP v');
$t->sql_source("BEGIN; INSERT INTO t (id) VALUES (9); ALTER TABLE clash2 RENAME v TO w; INSERT INTO clash2 VALUES (1, 'x'); COMMIT; INSERT INTO t (id) VALUES (10)");
$t->wait_state('j', 'error');
# the daemon dies meanwhile, and again while it tries: nothing of the transaction is there, and the stop stays what it is
for (1 .. 2)
{
	$t->{daemon}->kill9;
	$t->start_daemon;
	$t->wait_for('the job to stop again', sub { $t->sql_ctl("SELECT state = 'error' AND wish IS NULL FROM dts_jobs WHERE job = 'j'") eq 't' });
	pass('killed: the job stands where it stood');
	like($t->sql_ctl("SELECT state, tag, reason FROM dts_pending_ddl"), qr/^failed\|ALTER TABLE\|.*column "v" does not exist/s, 'and says why');
	is($t->sql_target('SELECT max(id) FROM t'), 8, 'nothing of the transaction is there');
	$t->act('retry', 'j') if $_ == 1;
}
$t->sql_target('ALTER TABLE clash2 ADD v text');
$t->act('retry', 'j');
$t->wait_state('j', 'running');
$t->equal('j', 'mended and tried again', '--table', 'public.clash2');
is($t->sql_target('SELECT max(id) FROM t'), 10, 'and what came after it');
$t->stop_job('j');

# The plain string; and no capture at all.
$t->database('two');
$t->sql_source('CREATE TABLE t (id int PRIMARY KEY)');
$t->run_job('k', options => { ddl => 'skip' });
$t->sql_source("CREATE VIEW v AS SELECT 1 AS one; COMMENT ON TABLE t IS 'c'; INSERT INTO t VALUES (1)");
$t->equal('k', 'everything left out: rows go on');
is($t->sql_ctl("SELECT string_agg(tag, ',' ORDER BY lsn) FROM dts_skipped_ddl WHERE job = 'k'"), 'CREATE VIEW,COMMENT', 'and what was left out is known');
$t->stop_job('k');
$t->sql_target('DROP TABLE t');
$t->run_job('o', options => { ddl => 'off' });
is($t->sql_source('SELECT count(*) FROM pg_event_trigger'), 0, 'with "off" nothing is captured');
$t->stop_job('o');
$t->clean('nothing is left');
done_testing;
