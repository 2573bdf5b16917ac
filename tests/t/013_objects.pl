# The selection of objects holds in every phase, and what is not selected never reaches the target.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new(database => 'chosen');
my $schema = <<'SQL';
CREATE SCHEMA app;
CREATE SCHEMA other;
CREATE SCHEMA "Odd.Schema";
CREATE TABLE app.a (id int PRIMARY KEY, v text);
CREATE TABLE app.b (id int PRIMARY KEY, a int REFERENCES app.a);
CREATE TABLE app.log (id int PRIMARY KEY);
CREATE TABLE app.part (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE other.part_1 PARTITION OF app.part FOR VALUES FROM (0) TO (10);
CREATE TABLE app.part_2 PARTITION OF app.part FOR VALUES FROM (10) TO (1000);
CREATE TABLE other.x (id int PRIMARY KEY);
CREATE TABLE other.keyless (id int);
CREATE TABLE "Odd.Schema"."Ta""ble, x" (id int PRIMARY KEY);
CREATE TABLE "Odd.Schema".plain (id int PRIMARY KEY);
SQL
sub change
{
	my $from = shift;
	$t->sql_source("INSERT INTO app.a SELECT i, i FROM generate_series($from, $from + 8) i; INSERT INTO app.b SELECT i, i FROM generate_series($from, $from + 8) i; INSERT INTO app.log SELECT generate_series($from, $from + 8); INSERT INTO app.part SELECT generate_series($from, $from + 8); INSERT INTO other.x SELECT generate_series($from, $from + 8); INSERT INTO other.keyless VALUES ($from); UPDATE app.a SET v = 'u' WHERE id = $from; INSERT INTO \"Odd.Schema\".\"Ta\"\"ble, x\" VALUES ($from); INSERT INTO \"Odd.Schema\".plain VALUES ($from)");
	return;
}
$t->start_daemon;
for (
	[ 'one_schema', { objects => [ { schema => 'app' } ], exclude => [ { schema => 'app', tables => ['log'] } ] },
		[qw(app.a app.b app.part app.part_2 other.part_1)], [qw(app.log other.x other.keyless)] ],
	[ 'some_tables', { objects => [ { schema => 'app', tables => [ { name => 'a' }, { name => 'b' } ] }, { schema => 'Odd.Schema', tables => [ { name => 'Ta"ble, x' } ] } ] },
		[ 'app.a', 'app.b', 'Odd.Schema.Ta"ble, x' ], [qw(app.log app.part other.x other.keyless Odd.Schema.plain)] ],
	[ 'all_but', { exclude => [ { schema => 'other', tables => ['keyless'] }, { schema => 'Odd.Schema' } ] },
		[qw(app.a app.b app.log app.part other.part_1 other.x)], [qw(other.keyless Odd.Schema.plain)] ],
	[ 'partition_root', { objects => [ { schema => 'app', tables => [ { name => 'part' } ] } ] },
		[qw(app.part app.part_2 other.part_1)], [qw(app.a other.x)] ])
{
	my ($name, $options, $in, $out) = @$_;
	$t->database($name);
	$t->sql_source($schema);
	change(1);
	$t->run_job($name, options => $options);
	change(20);
	# A change of an unselected keyless table is none of the job's business.
	$t->sql_source('ALTER TABLE other.keyless REPLICA IDENTITY FULL; UPDATE other.keyless SET id = 0; DELETE FROM other.keyless; TRUNCATE other.x') if grep { $_ eq 'other.x' } @$out;
	$t->equal($name, "$name: what is selected is equal", map { ('--table', $_) } @$in);
	for my $table (@$out)
	{
		my ($s, $r) = $table =~ /^(.*)\.([^.]*)$/;
		is($t->sql_target("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = '$s' AND relname = '$r'"), '0', "$name: $table did not come");
	}
	$t->stop_job($name);
	$t->clean("$name: nothing is left behind");
}
# A second job to the same target, of the rest: the first one's tables stay.
done_testing;
