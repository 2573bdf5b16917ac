# Every built-in type with its edge values arrives byte for byte, whatever the settings of either server.
use strict;
use warnings;
use DtsTest;
use Test::More;

# type => edge values as SQL
my %TYPES = (
	bool => [qw(true false)],
	int2 => [qw(-32768 0 32767)],
	int4 => [qw(-2147483648 0 2147483647)],
	int8 => [qw(-9223372036854775808 0 9223372036854775807)],
	numeric => [ "'NaN'", "'Infinity'", "'-Infinity'", '0', '-0.000', '0.00000000000000000001', '1e300', '-99999999999999999999999999999999.9999999', "('1' || repeat('0', 2000))::numeric", '1.50', '1.5' ],
	'numeric(10,2)' => [ '99999999.99', '0.10', "'NaN'" ],
	float4 => [ "'NaN'", "'Infinity'", "'-Infinity'", "'-0'", '1.17549435e-38', '3.4028235e38', '1e-45', '0.1', '16777217' ],
	float8 => [ "'NaN'", "'Infinity'", "'-Infinity'", "'-0'", '2.2250738585072014e-308', '1.7976931348623157e308', '5e-324', '0.1', '0.30000000000000004' ],
	money => [ "(-92233720368547758.08)::numeric::money", "92233720368547758.07::numeric::money", "1234.56::numeric::money", "0::money" ],
	text => [ "''", "' '", "'a''b'", "E'\\\\ \\n\\r\\t'", "'Ünïcödé ☃ 😀'", "'\\N'", "'NULL'", "repeat('x', 10000)", "E'\\x01\\x7f'" ],
	'varchar(20)' => [ "''", "'trailing  '", "repeat('é', 20)" ],
	'char(5)' => [ "''", "'ab'", "'abcde'" ],
	bpchar => [ "'x   '" ],
	name => [ "'a name'", "repeat('n', 63)" ],
	'"char"' => [ "'a'", "''", "chr(126)::\"char\"" ],
	bytea => [ "''", "'\\x00'", "'\\x00ff5c27'", "decode(repeat('00ff', 5000), 'hex')", "'\\x5c5c303030'" ],
	date => [ "'infinity'", "'-infinity'", "make_date(-4714, 11, 24)", "make_date(5874897, 12, 31)", "make_date(2001, 2, 3)", "make_date(-1, 1, 1)" ],
	time => [ "'00:00:00'", "'24:00:00'", "'23:59:59.999999'" ],
	timetz => [ "'00:00:00+15:59:59'", "'24:00:00-15:59'", "'12:34:56.789012+05:45'" ],
	timestamp => [ "'infinity'", "'-infinity'", "make_timestamp(-4714, 11, 24, 0, 0, 0)", "make_timestamp(294276, 12, 31, 23, 59, 59.999999)", "make_timestamp(2001, 2, 3, 4, 5, 6.000001)" ],
	timestamptz => [ "'infinity'", "'-infinity'", "make_timestamptz(2001, 2, 3, 4, 5, 6.000001, 'UTC')", "make_timestamptz(-44, 3, 15, 12, 0, 0, 'UTC')", "make_timestamptz(2021, 10, 31, 2, 30, 0, 'Europe/Berlin')" ],
	interval => [ "make_interval()", "make_interval(years => -178000000)", "make_interval(years => 1, months => -2, days => 3, hours => -4, secs => 5.000006)", "make_interval(secs => -0.000001)", "make_interval(days => -1, hours => 1)" ],
	'interval day to second(3)' => [ "make_interval(days => 1, secs => 1.234)" ],
	uuid => [ "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'" ],
	json => [ "'{\"a\": 1,  \"a\":2}'", "'null'", "'[1e400, \"\\u00e9\"]'", "'\"\"'" ],
	jsonb => [ "'{\"b\": [1, null, {\"c\": \"☃\"}], \"a\": 1.10}'", "'null'", "'[]'", "'{}'" ],
	jsonpath => [ "'\$.a[*] ? (@ > 1)'" ],
	xml => [ "XMLPARSE(CONTENT 'text <a/> more')", "XMLPARSE(DOCUMENT '<?xml version=\"1.0\"?><r a=\"1\">&amp;</r>')" ],
	bit => [ "B'0'", "B'1'" ],
	'bit(17)' => [ "B'10101010101010101'" ],
	varbit => [ "B''", "B'1'", "B'101010101'", "repeat('10', 500)::varbit" ],
	inet => [ "'0.0.0.0/0'", "'192.168.1.1'", "'::/0'", "'fe80::1/64'", "'::ffff:1.2.3.4'" ],
	cidr => [ "'10.0.0.0/8'", "'2001:db8::/32'" ],
	macaddr => [ "'00:00:00:00:00:00'", "'ff:ff:ff:ff:ff:ff'" ],
	macaddr8 => [ "'08:00:2b:01:02:03:04:05'" ],
	point => [ "'(0,0)'", "'(NaN,Infinity)'", "'(1e-300,-1e300)'", "point(0.1, 0.30000000000000004)" ],
	line => [ "'{1,-1,0}'" ],
	lseg => [ "'[(0,0),(1,1)]'" ],
	box => [ "'(1,1),(0,0)'" ],
	path => [ "'[(0,0),(1,1),(2,0)]'", "'((0,0),(1,1),(2,0))'" ],
	polygon => [ "'((0,0),(1,1),(2,0))'" ],
	circle => [ "'<(0,0),0>'", "'<(1.5,2.5),3.25>'" ],
	tsvector => [ "''", "'a:1A b:2,3C ''it''''s'':4'" ],
	tsquery => [ "''", "'a & !b | (c <-> d:*AB)'" ],
	oid => [qw(0 4294967295)],
	xid => [ "'0'", "'4294967295'" ],
	xid8 => [ "'18446744073709551615'" ],
	cid => [ "'7'" ],
	tid => [ "'(0,0)'", "'(4294967295,65535)'" ],
	pg_lsn => [ "'0/0'", "'FFFFFFFF/FFFFFFFF'" ],
	txid_snapshot => [ "'10:20:10,14,15'" ],
	pg_snapshot => [ "'10:20:10,14,15'" ],
	regclass => [ "'pg_catalog.pg_class'", "0::regclass" ],
	regtype => [ "'pg_catalog.int4'", "'pg_catalog.numeric'" ],
	regproc => [ "'pg_catalog.now'" ],
	regprocedure => [ "'pg_catalog.abs(pg_catalog.int4)'" ],
	regoper => [ "'pg_catalog.||/'" ],
	regoperator => [ "'pg_catalog.+(pg_catalog.int4,pg_catalog.int4)'" ],
	regnamespace => [ "'pg_catalog'" ],
	regrole => [ "current_user::regrole" ],
	regconfig => [ "'pg_catalog.english'" ],
	regdictionary => [ "'pg_catalog.simple'" ],
	regcollation => [ "'pg_catalog.\"C\"'" ],
	aclitem => [ "makeaclitem(10, 10, 'SELECT', true)" ],
	refcursor => [ "'a cursor'" ],
	int2vector => [ "'1 2 3'" ],
	oidvector => [ "'1 2 4294967295'" ],
	int4range => [ "'empty'", "'[1,10)'", "'(,)'", "'[5,)'" ],
	int8range => [ "'[-9223372036854775808,9223372036854775807)'" ],
	numrange => [ "'(-Infinity,NaN]'", "'[1.10,1.1]'" ],
	tsrange => [ "tsrange(make_timestamp(2001,2,3,4,5,6.5), 'infinity', '[]')" ],
	tstzrange => [ "tstzrange(NULL, make_timestamptz(2001,2,3,4,5,6.5,'UTC'))" ],
	daterange => [ "daterange(make_date(2001,2,3), make_date(2001,3,2))", "'empty'" ],
	int4multirange => [ "'{}'", "'{[1,3),[5,7)}'" ],
	nummultirange => [ "'{(1.10,2],[3,NaN]}'" ],
	tstzmultirange => [ "tstzmultirange(tstzrange(make_timestamptz(2001,2,3,4,5,6.5,'UTC'), NULL))" ],
	'int4[]' => [ "'{}'", "'{1,NULL,3}'", "'[-2:0]={1,2,3}'", "'{{1,2},{3,4}}'" ],
	'text[]' => [ "ARRAY['', 'NULL', NULL, '\"', '\\', '{}', 'ü, x']", "'{{a,b},{c,d}}'" ],
	'bytea[]' => [ "ARRAY['\\x00'::bytea, '\\x5c'::bytea, NULL]" ],
	'timestamptz[]' => [ "ARRAY[make_timestamptz(2001,2,3,4,5,6.5,'UTC'), 'infinity']" ],
	'numeric[]' => [ "ARRAY['NaN'::numeric, 1.10, NULL]" ],
	'interval[]' => [ "ARRAY[make_interval(days => -1, hours => 1)]" ],
	'jsonb[]' => [ "ARRAY['{\"a\": \"\\\"\"}'::jsonb]" ],
	'float8[]' => [ "ARRAY['NaN'::float8, 0.1, '-0']" ],
	'app.mood' => [ "'sad'", "'it''s, \"fine\"'" ],
	'app.mood[]' => [ "ARRAY['sad'::app.mood, NULL]" ],
	'app.positive' => [ "1", "99" ],
	'app.positive[]' => [ "ARRAY[1::app.positive]" ],
	'app.pair' => [ "ROW(1, 'x')::app.pair", "ROW(NULL, '')::app.pair", "ROW(7, '(\"\\,')::app.pair" ],
	'app.pair[]' => [ "ARRAY[ROW(1, 'x')::app.pair, NULL]" ],
	'app.nested' => [ "ROW(ROW(1, '\"')::app.pair, ARRAY[make_date(2001,2,3)], make_timestamptz(2001,2,3,4,5,6.5,'UTC'), 'sad')::app.nested" ],
	'app.span' => [ "app.span(1.5, 2.5)", "'empty'" ],
	'app.pair_domain' => [ "ROW(3, 'dom')::app.pair_domain" ]);

for my $hostile (qw(source target))
{
	my $t = DtsTest->new(hostile => $hostile);
	my $set = "SET search_path = pg_catalog; SET standard_conforming_strings = on; SET xmloption = content; SET array_nulls = on;\n";
	$t->sql_source(<<"SQL");
$set
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'it''s, "fine"');
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE TYPE app.pair AS (a int, b text);
CREATE TYPE app.nested AS (p app.pair, d date[], t timestamptz, m app.mood);
CREATE TYPE app.span AS RANGE (subtype = float8);
CREATE DOMAIN app.pair_domain AS app.pair CHECK ((VALUE).a > 0);
SQL
	if ($t->version('source') < 14)
	{
		delete @TYPES{ grep { /multirange/ } keys %TYPES };
		@{ $TYPES{$_} } = grep { !/Infinity/ } @{ $TYPES{$_} } for qw(numeric numrange);
		@$_ = grep { !/make_\w+\(-/ } @$_ for values %TYPES;
	}
	my (@fill, @later, $n);
	for my $type (sort keys %TYPES)
	{
		my $table = sprintf 'app.t%02d', ++$n;
		my $values = sub { join ', ', map { "(" . ($_[0] + $_[1]++) . ", CAST($_ AS $type))" } 'NULL', @{ $TYPES{$type} } };
		# Both with a key, and without one where every value is part of the old row.
		push @fill, "CREATE TABLE $table (id int PRIMARY KEY, v $type)", "COMMENT ON TABLE $table IS " . "'" . ($type =~ s/'/''/gr) . "'",
			"INSERT INTO $table VALUES " . $values->(0, my $i = 0);
		push @fill, "CREATE TABLE ${table}f (n int, v $type)", "ALTER TABLE ${table}f REPLICA IDENTITY FULL", "INSERT INTO ${table}f SELECT * FROM $table";
		push @later, "INSERT INTO $table VALUES " . $values->(1000, my $j = 0),
			"UPDATE $table SET v = o.v FROM (SELECT v FROM $table WHERE id = 1001) o WHERE id = 0",
			"UPDATE $table SET id = id + 5000 WHERE id < 3",
			"INSERT INTO ${table}f SELECT * FROM $table WHERE id >= 1000",
			"INSERT INTO ${table}f SELECT * FROM ${table}f WHERE n < 1000",
			"UPDATE ${table}f SET n = n + 10000 WHERE n >= 1001",
			"DELETE FROM ${table}f WHERE ctid = (SELECT min(ctid) FROM ${table}f WHERE n = 0)",
			"DELETE FROM ${table}f WHERE n = 1 OR n = 2";
	}
	$t->sql_source($set . join ";\n", @fill);
	$t->start_daemon;
	$t->run_job('j', options => { workers => 2 });
	$t->compare("full: $n types are equal with a hostile $hostile", '--schema');
	$t->sql_source($set . join ";\n", @later);
	$t->equal('j', "incremental: $n types are equal with a hostile $hostile", '--schema');
	$t->stop_job('j');
	$t->clean("nothing is left behind with a hostile $hostile");
	$t->finish;
	$t->{$_}->stop('immediate') for qw(source target);
}
done_testing;
