# Every class of object that a database can be made of arrives: pg_dump says the same of both ends, schema and rows.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
for my $end (qw(source target))
{
	$t->_sql($end, 'postgres', 'CREATE ROLE obj_owner; CREATE ROLE obj_reader; CREATE ROLE "Odd ""Role"; ALTER SYSTEM SET wal_receiver_status_interval = 10');
}
my $space = $t->{source}->basedir . '/space';
mkdir $space or die "mkdir: $!";
$t->_sql('source', 'postgres', "CREATE TABLESPACE obj_space LOCATION '$space'; GRANT CREATE ON TABLESPACE obj_space TO obj_owner");
(my $file = $0) =~ s/pl$/sql/;
open my $in, '<:raw', $file or die "$file: $!";
my $sql = do { local $/; <$in> };
close $in;
# Roles that make objects in the test's own database.
$t->sql_source('GRANT CREATE ON DATABASE app TO obj_owner, "Odd ""Role"');
$t->sql_source($sql);
$t->sql_source('REVOKE CREATE ON DATABASE app FROM obj_owner, "Odd ""Role"');

# What pg_dump --create says, rows included, in lines that do not depend on OIDs.
sub dump_of
{
	my $end = shift;
	local $ENV{PGOPTIONS} = '-c search_path=pg_catalog -c standard_conforming_strings=on';
	open my $dump, '-|', 'pg_dump', '--create', '--blobs', '--no-tablespaces', '--no-subscriptions', '--exclude-schema=dts', '--exclude-table=public.dts_*', '-d', $t->conninfo($end)
		or die "pg_dump: $!";
	binmode $dump;
	my @lines = grep { !/^--|^\s*$|^\\(?:un)?restrict\b/ && !/EVENT TRIGGER dts_capture_|EXECUTE FUNCTION dts\.capture_/ } <$dump>;
	close $dump or die 'pg_dump failed';
	return @lines;
}
sub same_dump
{
	my $what = shift;
	my (%count, @only);
	my %lines = map { $_ => [ dump_of($_) ] } qw(source target);
	$count{$_}++ for @{ $lines{source} };
	$count{$_}-- for @{ $lines{target} };
	@only = map { ($count{$_} > 0 ? 'only on the source: ' : 'only on the target: ') . $_ } grep { $count{$_} } sort keys %count;
	cmp_ok(scalar @{ $lines{source} }, '>', 1000, "$what: there is something to compare");
	ok(!@only, "$what: pg_dump says the same of both ends") or diag(@only > 100 ? @only[0 .. 99] : @only);
	return;
}

# The classes of entries that pg_dump of version 15 knows; but for subscriptions and security labels, which need another server and a label provider.
my @classes = ('ACCESS METHOD', 'ACL', 'AGGREGATE', 'BLOB', 'BLOBS', 'CAST', 'CHECK CONSTRAINT', 'COLLATION', 'COMMENT', 'CONSTRAINT', 'CONVERSION', 'DATABASE', 'DATABASE PROPERTIES', 'DEFAULT',
	'DEFAULT ACL', 'DOMAIN', 'EVENT TRIGGER', 'EXTENSION', 'FK CONSTRAINT', 'FOREIGN DATA WRAPPER', 'FOREIGN TABLE', 'FUNCTION', 'INDEX', 'INDEX ATTACH', 'MATERIALIZED VIEW', 'MATERIALIZED VIEW DATA',
	'OPERATOR', 'OPERATOR CLASS', 'OPERATOR FAMILY', 'POLICY', 'PROCEDURAL LANGUAGE', 'PROCEDURE', 'PUBLICATION', 'PUBLICATION TABLE', 'PUBLICATION TABLES IN SCHEMA', 'ROW SECURITY',
	'RULE', 'SCHEMA', 'SEQUENCE', 'SEQUENCE OWNED BY', 'SEQUENCE SET', 'SERVER', 'SHELL TYPE', 'STATISTICS', 'TABLE', 'TABLE ATTACH', 'TABLE DATA', 'TEXT SEARCH CONFIGURATION',
	'TEXT SEARCH DICTIONARY', 'TEXT SEARCH PARSER', 'TEXT SEARCH TEMPLATE', 'TRANSFORM', 'TRIGGER', 'TYPE', 'USER MAPPING', 'VIEW');
if ($t->version('source') == 15)
{
	my (%seen, @unknown);
	my $archive = $t->{source}->basedir . '/archive';
	system('pg_dump', '--format=custom', '--blobs', '--create', '--file', $archive, '-d', $t->conninfo('source')) == 0 or die 'pg_dump failed';
	for (split /\n/, `pg_restore --create --list '$archive'`)
	{
		my ($entry) = /^\d+; \d+ \d+ (.*)/ or next;
		my ($class) = grep { $entry =~ /^\Q$_\E / } sort { length $b <=> length $a } @classes;
		if ($class) { $seen{$class} = 1; } else { push @unknown, $entry; }
	}
	is_deeply([ grep { !$seen{$_} } @classes ], [], 'the source has an object of every class');
	is_deeply(\@unknown, [], 'and of none that this list lacks');
}

$t->start_daemon;
$t->run_job('j', options => { workers => 3 });
$t->caught_up('j');
same_dump('after the load');
# The source has a publication of all tables: a table without an identity cannot be written to there.
my $keyless = q{SELECT string_agg(oid::regclass::text, ' ') FROM pg_class c WHERE relkind = 'r' AND relreplident <> 'f' AND relpersistence = 'p'
	AND (relnamespace = to_regnamespace('dts') OR relname ~ '^dts_') AND NOT EXISTS (SELECT FROM pg_index i WHERE indrelid = c.oid AND indisprimary)};
is($t->$_($keyless), '', "$_: every table of ours has an identity") for qw(sql_source sql_target sql_ctl);
$t->compare('rows, materialized views and validity are equal', '--schema');
my $events = $t->sql_ctl("SELECT string_agg(message, E'\\n') FROM dts_job_events WHERE job = 'j' AND severity = 'warning'");
is($events, '', 'nothing was left out');
$t->sql_source("UPDATE obj.base SET v = 'y' WHERE id = 1; INSERT INTO obj.secured VALUES (2, 'somebody'); INSERT INTO obj.derived VALUES (5, 'q', 1); UPDATE obj.main SET num = 9 WHERE id = 12; INSERT INTO obj.part SELECT 8 + 2 * i, 'eu' FROM generate_series(101, 120) i; DELETE FROM obj.part_child WHERE id = 2");
$t->sql_source("INSERT INTO conf.setting VALUES ('later', 'by the stream'); INSERT INTO \"схема 数据 ☂\".\"таблица ☃\" VALUES (2, 'x', 'y'); DELETE FROM obj.no_columns WHERE ctid = '(0,1)'");
$t->equal('j', 'and rows follow');
$t->stop_job('j');
same_dump('when the job is gone');
done_testing;
