# The rest of a job's life, with a real daemon: a start at a time, ready and completion, workers changed while it loads, a load
# anew, a stop by force with the source gone and what is then left.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new(database => 'shop');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY, v text); INSERT INTO k SELECT i, i FROM generate_series(1, 3000) i');
$t->start_daemon;

# A start at a time is checked again when the time comes.
$t->create_job('m', kind => 'migration');
$t->check_job('m');
$t->sql_ctl("SELECT dts_start_job('m', now() + interval '1 day')");
$t->sql_target('CREATE TABLE k (id int); INSERT INTO k VALUES (1)');
$t->sql_ctl("UPDATE dts.job SET start_at = now() WHERE name = 'm'");
$t->wait_state('m', 'check_failed');
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE event = 'start_missed'"), '1', 'what fails the check when its time comes does not start');
$t->sql_target('DROP TABLE k');
$t->check_job('m');
$t->sql_ctl("SELECT dts_start_job('m', now() + interval '0.3 s')");
$t->wait_job('m', 'incremental');
pass('a start at a time happens, and can be waited for');

# A migration that is in step is ready; completed, it leaves nothing, and all is there.
$t->wait_job('m', 'ready');
$t->sql_source("INSERT INTO k SELECT i, 'late' FROM generate_series(3001, 60000) i");
$t->sql_ctl("SELECT dts_complete_job('m')");
$t->wait_job('m', 'completed');
$t->compare('completed: all that was committed before the call is there');
$t->clean('completed: nothing is left');
is($t->sql_ctl("SELECT state || ' ' || coalesce(wish, 'nothing') FROM dts_jobs"), 'completed nothing', 'an end state');

# Immediately, while a transaction is open: ends all the same.
$t->database('now');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->run_job('i', kind => 'migration');
$t->wait_job('i', 'ready');
$t->sql_ctl("SELECT dts_complete_job('i', 'immediately')");
$t->wait_job('i', 'completed');
$t->clean('completed at once: nothing is left');

# Another number of workers while it loads: no state is left, no row is lost or doubled.
$t->database('wide');
$t->sql_source('CREATE TABLE bulk AS SELECT i AS id, repeat(md5(i::text), 8) AS v FROM generate_series(1, 200000) i; ALTER TABLE bulk ADD PRIMARY KEY (id); CREATE TABLE other AS SELECT * FROM bulk; ALTER TABLE other ADD PRIMARY KEY (id)');
# slowly, so that it still loads when their number changes
$t->create_job('w', options => { workers => 1, throttle => { full => { rows_per_second => 1000 } } });
$t->check_job('w');
$t->start_job('w');
$t->wait_for('it to load', sub { $t->sql_ctl("SELECT phase FROM dts_jobs WHERE job = 'w'") =~ /full|incremental/ });
my $changed = $t->sql_ctl("SELECT message FROM dts_resize_job(ARRAY['w'], 3)");
like($changed, qr/loads with 3 workers/, 'more workers');
$t->sql_ctl("SELECT dts_set_throttle('w', 'full', NULL)");
$t->wait_job('w', 'incremental');
$t->equal('w', 'loaded with a changed number of workers: equal');

# Slot lost: failed; reset and loaded anew under the same name.
$t->act('pause', 'w');
$t->wait_job('w', 'paused');
my $slot = $t->slot('w');
$t->sql_source("SELECT pg_drop_replication_slot('$slot')");
$t->act('resume', 'w');
$t->wait_state('w', 'failed');
$t->sql_ctl("SELECT dts_reset_job('w')");
$t->wait_job('w', 'draft');
$t->clean('reset: nothing of the old load is left');
$t->sql_ctl(q{SELECT dts_configure_job('w', '{"same_name_tables": "truncate"}')});
$t->check_job('w');
$t->start_job('w');
$t->wait_job('w', 'incremental');
$t->sql_source("UPDATE bulk SET v = 'x' WHERE id < 100");
$t->equal('w', 'loaded anew: equal');

# The source goes for good.  A stop says what is left; by force it ends, and the list stays.
$t->{source}->stop('immediate');
$t->act('stop', 'w');
$t->wait_state('w', 'stop_failed');
like($t->sql_ctl("SELECT error_hint FROM dts_jobs WHERE job = 'w'"), qr/force => true/, 'a stop that fails says how to go on');
is($t->sql_ctl("SELECT string_agg(side || ' ' || object, ', ' ORDER BY object) FROM dts_leftovers"),
	'source capture of DDL, source replication slot, source row of the heartbeat', 'and lists what is left');
$t->sql_ctl("SELECT dts_stop_job('w', force => true)");
$t->wait_job('w', 'stopped');
is($t->sql_ctl("SELECT footprint FROM dts.job WHERE name = 'w'"), 'f', 'by force it ends');
my $remedy = $t->sql_ctl("SELECT string_agg(rtrim(remedy, ';') || ';', E'\\n') FROM dts_leftovers");
$t->act('isolate', 'w');
$t->act('destroy', 'w');
$t->{source}->start;
$t->sql_source($remedy);
is($t->sql_source('SELECT count(*) FROM pg_replication_slots'), '0', 'the SQL of the list removes it');
$t->sql_ctl("SELECT dts_forget_leftovers('w')");
$t->clean('after that nothing is left');

# A job whose source is gone for good can be put aside and destroyed by force; what is left there is listed, and removed by the SQL of the list.
$t->database('gone');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->run_job('g', options => { heartbeat_seconds => 1 });
$t->act('pause', 'g');
$t->wait_job('g', 'paused');
$t->sql_source("SELECT pg_drop_replication_slot('" . $t->slot('g') . "')");
$t->act('resume', 'g');
$t->wait_state('g', 'failed');
$t->act('isolate', 'g');
$t->{source}->stop('immediate');
$t->act('destroy', 'g');
$t->wait_for('it to fail', sub { $t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'g' AND event = 'destroy_failed'") ne '0' });
is($t->state('g'), 'isolated', 'a job whose source is gone is not destroyed without force');
$t->sql_ctl("SELECT dts_destroy_job('g', force => true)");
$t->wait_for('the job to be gone', sub { $t->sql_ctl("SELECT count(*) FROM dts_jobs WHERE job = 'g'") eq '0' });
cmp_ok($t->sql_ctl("SELECT count(*) FROM dts_leftovers WHERE job = 'g' AND side = 'source'"), '>', 0, 'by force it is, and what is left is listed');
$t->{source}->start;
$t->sql_source($_) for split /\x1e/, $t->sql_ctl("SELECT string_agg(remedy, E'\\x1e') FROM dts_leftovers WHERE job = 'g'");
$t->sql_ctl("SELECT dts_forget_leftovers('g')");
$t->clean('after the SQL of the list nothing is left');

# An isolated job goes by itself after its time, cleaned where it left something.
$t->database('kept');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->run_job('k');
$t->act('pause', 'k');
$t->wait_job('k', 'paused');
$t->sql_source("SELECT pg_drop_replication_slot('" . $t->slot('k') . "')");
$t->act('resume', 'k');
$t->wait_state('k', 'failed');
$t->act('isolate', 'k');
$t->sql_ctl("UPDATE dts.job SET isolated_at = now() - interval '8 days' WHERE name = 'k'");
$t->wait_for('the job to be gone', sub { $t->sql_ctl("SELECT count(*) FROM dts_jobs WHERE job = 'k'") eq '0' });
$t->clean('destroyed by retention: nothing is left');
done_testing;
