# A table that fails is put aside with its reason, the rest goes on; a reload brings it back.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;

my $t = DtsTest->new;
$t->sql_source($DtsWorkload::SCHEMA);
$t->sql_source("CREATE TABLE public.$_ (id int PRIMARY KEY, v text); INSERT INTO $_ SELECT i, 'v' FROM generate_series(1, 1000) i") for qw(a b c);
$t->sql_source('CREATE TABLE public.bare (id int, v text); ALTER TABLE bare REPLICA IDENTITY FULL; INSERT INTO bare VALUES (1, 2)');
$t->start_daemon;
$t->run_job('j', options => { workers => 2, on_table_error => 'quarantine' });
my $load = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 2, seed => 23, pause => 0.005);

sub quarantined { return $t->sql_ctl("SELECT coalesce(string_agg(table_name, ',' ORDER BY table_name), '') FROM dts_job_tables WHERE job = 'j' AND phase = 'quarantined'"); }
sub reason { my $n = shift; return $t->sql_ctl("SELECT coalesce(error, '') FROM dts_job_tables WHERE job = 'j' AND table_name = '$n'"); }

# An insert meets a row; another table of the same transaction is not harmed.
$t->sql_target("INSERT INTO a VALUES (5000, 'in the way')");
$t->sql_source("BEGIN; INSERT INTO b VALUES (5000, 'b'); INSERT INTO a VALUES (5000, 'a'); UPDATE b SET v = 'b2' WHERE id = 5000; COMMIT");
$t->wait_for('a to be put aside', sub { quarantined() eq 'a' });
like(reason('a'), qr/duplicate key.*"a_pkey"/s, 'dts_job_tables says why');
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'j' AND event = 'table_quarantined' AND message LIKE '%\"public\".\"a\"%'"), 1, 'an event does, too');
$t->caught_up('j');
is($t->sql_target("SELECT v FROM b WHERE id = 5000"), 'b2', 'the rest of the transaction is there');
is($t->state('j'), 'running', 'the job runs');

# A missing row, a missing column, a missing table, no identity.
$t->sql_target('DELETE FROM b WHERE id = 7');
$t->sql_source("UPDATE b SET v = 'x' WHERE id = 7");
$t->wait_for('b to be put aside', sub { quarantined() eq 'a,b' });
like(reason('b'), qr/found no row/, 'a missing row');
$t->sql_target('DROP TABLE c');
$t->sql_source("UPDATE c SET v = 'x' WHERE id = 7");
$t->wait_for('c to be put aside', sub { quarantined() eq 'a,b,c' });
ok(reason('c') ne '', 'a missing table: ' . reason('c'));
$t->sql_source('ALTER TABLE bare REPLICA IDENTITY DEFAULT');
$t->sql_source("UPDATE bare SET v = 'y'");
$t->wait_for('bare to be put aside', sub { quarantined() eq 'a,b,bare,c' });
like(reason('bare'), qr/identity/i, 'no identity');
$t->caught_up('j');

# It outlives the daemon; its changes are left out and hold nothing back.
$t->{daemon}->kill9;
$t->sql_source("UPDATE a SET v = 'later'; DELETE FROM b WHERE id > 500; INSERT INTO c VALUES (6000, 'new')");
$t->start_daemon;
$t->caught_up('j');
is($t->sql_target("SELECT v FROM a WHERE id = 1"), 'v', 'changes of a quarantined table are left out');
my $slot = $t->slot('j');
$t->wait_for('the slot to move', sub { $t->sql_source("SELECT confirmed_flush_lsn >= (SELECT max(end_lsn) FROM (SELECT pg_current_wal_flush_lsn() - 1000000 AS end_lsn) x) FROM pg_replication_slots WHERE slot_name = '$slot'") eq 't' });
pass('the acknowledgement is not held');

$t->sql_source('ALTER TABLE bare REPLICA IDENTITY FULL');
$t->sql_ctl("SELECT dts_reload_table('j', 'public.$_')") for qw(a b c bare);
$t->wait_for('all to join', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE state <> 'joined'") == 0 });
cmp_ok($load->stop, '>', 20, 'there was load');
DtsWorkload->finish_prepared($t);
$t->wait_for('what follows the join', sub { $t->sql_target("SELECT count(*) FROM dts.target_part WHERE state <> 'done'") == 0 });
$t->sql_source("UPDATE $_ SET v = 'last' WHERE id = 1") for qw(a b c bare);
$t->equal('j', 'equal after the quarantine, the table that was lost on the target included');
$t->wait_for('the view to know', sub { quarantined() eq '' });
is(reason('a'), '', 'no reason is left');

# A copy that fails is put aside, too.
$t->sql_target("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not here''; END'; CREATE TRIGGER no BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION no(); ALTER TABLE a ENABLE ALWAYS TRIGGER no");
$t->sql_ctl("SELECT dts_reload_table('j', 'public.a')");
$t->wait_for('a to be put aside', sub { quarantined() eq 'a' });
like(reason('a'), qr/not here/, 'the copy\'s error is the reason');
$t->sql_target('DROP TRIGGER no ON a; DROP FUNCTION no()');
$t->sql_ctl("SELECT dts_reload_table('j', 'public.a')");
$t->wait_for('a to join', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE state <> 'joined'") == 0 });
$t->equal('j', 'equal in the end');
$t->stop_job('j');
$t->clean('nothing is left behind');

# Without the option the job stops, and a table can be taken out or loaded again before it goes on.
$t->database('app2');
$t->sql_source("CREATE TABLE public.$_ (id int PRIMARY KEY, v text); INSERT INTO $_ VALUES (1, 'v')") for qw(a b);
$t->run_job('k');
$t->sql_target('DELETE FROM a');
$t->sql_source("UPDATE a SET v = 'w'; UPDATE b SET v = 'w'");
$t->wait_state('k', 'error');
$t->sql_ctl("SELECT dts_reload_table('k', 'public.a')");
$t->act('retry', 'k');
$t->wait_for('a to join', sub { (eval { $t->sql_target("SELECT state FROM dts.target_table WHERE table_name = 'a'") } // '') eq 'joined' && $t->state('k') eq 'running' });
$t->equal('k', 'a job in error goes on after a reload');
$t->stop_job('k');
$t->finish;
done_testing;
