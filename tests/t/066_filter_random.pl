# Row filters and expressions give the same in both phases: rows that the copy brings and the same rows that come in the
# stream, then random updates into the filters and out of them, against what the source's own SQL says.
#
# FILTER_TABLES=30 FILTER_SEED=... repeats; the seed is printed.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $seed = $ENV{FILTER_SEED} // int(rand(1 << 30));
my $tables = $ENV{FILTER_TABLES} // 6;
my $rows = 250;
srand($seed);
note("FILTER_SEED=$seed FILTER_TABLES=$tables");

my @predicates = (
	'n % 3 = 0', 'n IS NULL', 'num > 10.5', q{num = 'NaN'}, 'f8 < 0', q{f8 = 'NaN'}, 'f4 > 1.5', q{t LIKE 'a%'}, 'length(t) > 30', q{t ~ '[0-9]$'},
	'upper(t) = t', 'b', 'b IS NOT TRUE', q{mood = 'ok'}, q{mood > 'sad'}, q{mood IN ('sad', 'glad')}, q{d >= '2020-02-29'},
	q{ts BETWEEN '2000-01-01' AND '2030-01-01'}, q{tz > '2010-06-01 12:00:00'}, q{iv > '1 day'}, q{j @> '{"k": 1}'}, q{j->>'s' = 'x'}, q{j ? 'k'},
	'arr[1] = 2', '2 = ANY (arr)', 'cardinality(arr) > 1', q{by > '\x80'}, 'length(by) > 2', q{u < '80000000-0000-0000-0000-000000000000'},
	q{ip << '10.0.0.0/8'}, 'r @> 5', 'isempty(r)', 'big IS NULL', q{md5(big) < '8'}, 'length(big) > 4000', q{c = 'x'}, q{vc || 'a' > 'm'},
	q{bits & B'1010' = B'1010'}, q{coalesce(n, 7) BETWEEN 3 AND 8}, q{(n, t) < (5, 'm')}, q{NULLIF(t, '') IS DISTINCT FROM vc}, q{t COLLATE "C" < 'b'},
	q{greatest(n, 4) = least(n, 6)}, q{tsv @@ 'cat'}, q{x = 'it''s' OR x = E'a\\\\b'}, 'id % 2 = 0', q{lpad(vc, 4, '*') > '**'}, q{pt <@ box '((0,0),(5,5))'});
my @expressions = (
	'n * 2 + 1', 'round(num, 1)', 'num / nullif(n, 0)', 'f8 * 2', 'f8::text', 'upper(t)', 'substr(t, 1, 5)', 'md5(big)', 'length(big)', 'left(big, 10)', 'big || t',
	q{CASE WHEN b THEN 'yes' WHEN NOT b THEN 'no' END}, 'mood', q{mood = 'ok'}, 'd + 1', q{ts + '1 day'::interval}, q{tz AT TIME ZONE 'UTC'}, 'iv * 2', 'extract(day from iv)',
	q{j->'k'}, q{j->>'s'}, 'arr[1]', 'cardinality(arr)', q{encode(by, 'hex')}, 'by::text', 'u::text', 'host(ip)', 'lower(r)', q{coalesce(t, vc, 'none')}, q{'const'}, 'n::text',
	't || vc', 'greatest(n, 5)', 'id::bigint * 1000000000', 'c', 'bits', 'repeat(vc, 3)', 'ARRAY[n, id]', q{regexp_replace(t, '[aeiou]', '', 'g')}, 'num::float8', 'f4::float8', 'x');
my @plain = qw(n num f8 t b mood d ts tz iv j arr by u ip r big vc x tsv pt);

my $t = DtsTest->new(hostile => 'source');
my $pin = join ' ', map { "SET $_;" } q{search_path = pg_catalog}, q{timezone = 'UTC'}, q{datestyle = 'ISO, YMD'}, q{intervalstyle = 'postgres'}, q{bytea_output = 'hex'},
	'extra_float_digits = 3', 'standard_conforming_strings = on', 'array_nulls = on', q{default_transaction_isolation = 'read committed'};
my $define = "$pin SET search_path = public;
	CREATE SCHEMA app; CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'glad');";
$t->sql_target($define);
$t->sql_source("$define
	CREATE TABLE app.row (id int, n int, num numeric(12,3), f4 real, f8 float8, t text, c char(5), vc varchar(20), b bool, mood public.mood, d date, ts timestamp, tz timestamptz, iv interval,
		j jsonb, arr int[], by bytea, u uuid, ip inet, r int4range, big text, bits bit(4), x text, tsv tsvector, pt point);
	CREATE FUNCTION app.h(s bigint, i int, m int) RETURNS int LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS
	\$\$ SELECT (('x' || substr(md5(s || ':' || i), 1, 7))::bit(28)::int) % m \$\$;
	-- A row of values made of a number; every column is NULL now and then.
	CREATE FUNCTION app.gen(s bigint) RETURNS app.row LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS \$\$
	SELECT ROW(0, nullif(app.h(s, 1, 12), 11), CASE app.h(s, 2, 9) WHEN 0 THEN NULL WHEN 1 THEN 'NaN' ELSE app.h(s, 3, 40000)::numeric / 1000 - 5 END,
		CASE WHEN app.h(s, 4, 8) > 0 THEN app.h(s, 5, 50)::real / 10 END, CASE app.h(s, 6, 9) WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN '-infinity' ELSE app.h(s, 7, 1000) / 7.0::float8 - 60 END,
		CASE WHEN app.h(s, 8, 8) > 0 THEN substr('aAb ' || md5((s % 97)::text) || 'Äöß9', app.h(s, 9, 6), 3 + app.h(s, 10, 40)) END, CASE WHEN app.h(s, 11, 5) > 0 THEN chr(118 + app.h(s, 12, 4)) END,
		CASE WHEN app.h(s, 13, 6) > 0 THEN left(md5(s::text), app.h(s, 14, 9)) END, CASE app.h(s, 15, 3) WHEN 0 THEN NULL ELSE app.h(s, 15, 3) = 1 END,
		(ARRAY[NULL, 'sad', 'ok', 'glad'])[1 + app.h(s, 16, 4)]::public.mood, CASE WHEN app.h(s, 17, 7) > 0 THEN date '2020-02-20' + app.h(s, 18, 20) END,
		CASE app.h(s, 19, 7) WHEN 0 THEN NULL WHEN 1 THEN 'infinity' ELSE timestamp '1999-06-01' + app.h(s, 20, 15000) * interval '1 day 1 second' END,
		CASE WHEN app.h(s, 21, 7) > 0 THEN timestamptz '2000-01-01 00:00:00Z' + app.h(s, 22, 9000) * interval '1 day 1 minute' END,
		CASE WHEN app.h(s, 23, 6) > 0 THEN make_interval(months => app.h(s, 24, 3), days => app.h(s, 25, 4), secs => app.h(s, 26, 1000) / 10.0 - 40) END,
		(ARRAY[NULL, '{\"k\": 1, \"s\": \"x\"}', '{\"k\": [1, null], \"s\": \"it''s\"}', '[]', '\"k\"'])[1 + app.h(s, 27, 5)]::jsonb, (ARRAY[NULL, '{}', '{2}', '{1,NULL,2}', '{{2,3},{4,5}}'])[1 + app.h(s, 28, 5)]::int[],
		CASE WHEN app.h(s, 29, 6) > 0 THEN substr(decode(md5(s::text), 'hex'), 1, app.h(s, 30, 6)) END, CASE WHEN app.h(s, 31, 6) > 0 THEN md5(s::text)::uuid END,
		(ARRAY[NULL, '10.1.2.3', '10.0.0.0/8', '192.168.1.1/24', '::1'])[1 + app.h(s, 32, 5)]::inet, (ARRAY[NULL, 'empty', '[1,10)', '(,5]', '[6,)'])[1 + app.h(s, 33, 5)]::int4range,
		CASE app.h(s, 34, 4) WHEN 0 THEN NULL WHEN 1 THEN 'short' || s ELSE (SELECT string_agg(md5((s % 1000) || '.' || i), '') FROM generate_series(1, 100 + app.h(s, 35, 60)) i) END,
		CASE WHEN app.h(s, 36, 5) > 0 THEN app.h(s, 37, 16)::bit(4) END, (ARRAY[NULL, '', 'it''s', 'a\\b', 'NULL'])[1 + app.h(s, 38, 5)],
		(ARRAY[NULL, '', 'cat dog', 'bird'])[1 + app.h(s, 39, 4)]::tsvector, CASE WHEN app.h(s, 40, 5) > 0 THEN point(app.h(s, 41, 9), app.h(s, 42, 9)) END)::app.row \$\$");

sub pick { return $_[rand @_]; }
sub filter
{
	my $text = pick(@predicates);
	for (1 .. rand 3)
	{
		$text = pick("($text) AND %s", "($text) OR %s", "NOT ($text) AND %s", "(%s) IS NOT TRUE OR ($text)");
		my $more = pick(@predicates);
		$text =~ s/%s/$more/;
	}
	return $text;
}

# Each shape twice: a table that the copy brings, and one that the stream does.
my (@shapes, @objects);
for my $i (1 .. $tables)
{
	my %seen;
	my @columns = ('id', map { { name => "c$_", expr => pick(@expressions) } } 1 .. 1 + rand 4);
	push @columns, grep { !$seen{$_}++ } map { pick(@plain) } 1 .. rand 4;
	push @columns, { name => 'n', expr => 'coalesce(n, -1) + id' } if !$seen{n} && rand() < 0.3; # in the place of a column
	my $filter = filter();
	push @shapes, { columns => \@columns, filter => $filter, list => join(', ', map { ref ? "($_->{expr}) AS $_->{name}" : $_ } @columns), names => join(', ', map { ref ? $_->{name} : $_ } @columns) };
	push @objects, map { { name => "$_$i", where => $filter, columns => \@columns } } qw(a b);
	$t->sql_source("$pin CREATE TABLE app.$_$i (LIKE app.row, PRIMARY KEY (id)); ALTER TABLE app.$_$i REPLICA IDENTITY FULL") for qw(a b);
	# mended on the way, so that toasting is a matter of the values
	$t->sql_source("$pin ALTER TABLE app.$_$i ALTER big SET STORAGE external") for qw(a b);
	$t->sql_source("$pin INSERT INTO app.a$i SELECT i, (g).n, (g).num, (g).f4, (g).f8, (g).t, (g).c, (g).vc, (g).b, (g).mood, (g).d, (g).ts, (g).tz, (g).iv, (g).j, (g).arr, (g).by, (g).u, (g).ip, (g).r, (g).big,
		(g).bits, (g).x, (g).tsv, (g).pt FROM (SELECT i, app.gen(i * 1000 + $seed % 1000 + $i) AS g FROM generate_series(1, $rows) i OFFSET 0) q");
	my $types = $t->sql_source("$pin CREATE VIEW app.v AS SELECT $shapes[-1]{list} FROM app.a$i;
		SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'app.v'::regclass; DROP VIEW app.v");
	$t->sql_target("$pin SET search_path = public; CREATE TABLE app.$_$i ($types, PRIMARY KEY (id))") for qw(a b);
}
$t->start_daemon;
$t->run_job('j', options => { phases => [qw(full incremental)], objects => [ { schema => 'app', tables => \@objects } ] });

sub same
{
	my ($what) = @_;
	$t->caught_up('j');
	my $held = 0;
	for my $i (1 .. $tables)
	{
		my $shape = $shapes[$i - 1];
		my $wanted = $t->sql_source("$pin SELECT row($shape->{names})::text FROM (SELECT $shape->{list} FROM app.a$i WHERE $shape->{filter}) q ORDER BY id");
		$held += () = $wanted =~ /\n/g;
		for my $phase (qw(a b))
		{
			my $got = $t->sql_target("$pin SELECT row($shape->{names})::text FROM app.$phase$i ORDER BY id");
			next if $got eq $wanted;
			my %w = map { $_ => 1 } split /\n/, $wanted;
			my %g = map { $_ => 1 } split /\n/, $got;
			fail("$what: $phase$i");
			diag("FILTER_SEED=$seed; filter: $shape->{filter}\ncolumns: $shape->{list}\nmissing:\n", (map { substr($_, 0, 300) . "\n" } (grep { !$g{$_} } sort keys %w)[0 .. 2]), "too many:\n",
				map { substr($_, 0, 300) . "\n" } (grep { !$w{$_} } sort keys %g)[0 .. 2]);
		}
	}
	ok($held > 0, "$what: the same in both phases ($held rows, FILTER_SEED=$seed)");
	return;
}

$t->sql_source("$pin INSERT INTO app.b$_ SELECT * FROM app.a$_") for 1 .. $tables;
same('copied and streamed');

# The same changes to both: whole rows, some columns, keys, deletes; long values stay untouched in most.
my @columns = qw(n num f4 f8 t c vc b mood d ts tz iv j arr by u ip r big bits x tsv pt);
for my $round (1 .. 2)
{
	for my $i (1 .. $tables)
	{
		my ($k, $salt) = (int(rand 4), int(rand 1 << 20));
		my %set = map { pick(@columns) => 1 } 1 .. 4;
		my $some = join ', ', map { "$_ = (g).$_" } sort keys %set;
		my $all = join ', ', map { "$_ = (g).$_" } @columns;
		$t->sql_source("$pin BEGIN;
			UPDATE app.$_$i q SET $some FROM (SELECT id AS i, app.gen(id * 77 + $salt) AS g FROM app.$_$i WHERE id % 4 = $k OFFSET 0) s WHERE id = i;
			UPDATE app.$_$i q SET $all FROM (SELECT id AS i, app.gen(id * 99 + $salt) AS g FROM app.$_$i WHERE id % 9 = $k OFFSET 0) s WHERE id = i;
			UPDATE app.$_$i SET id = id + 10000 * $round WHERE id % 11 = $k;
			DELETE FROM app.$_$i WHERE id % 23 = $k;
			COMMIT") for qw(a b);
	}
	same("round $round of updates");
}
$t->stop_job('j');
$t->clean('nothing is left');
done_testing;
