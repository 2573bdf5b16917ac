# dts_test_endpoint meets servers that are slow, mute, or gone, and passwords that are wrong.
use strict;
use warnings;
use IO::Socket::INET;
use DtsTest;
use Test::More;
use Time::HiRes qw(time);

my $t = DtsTest->new;

# Accepts, as the kernel does for it, and never answers.
my $mute = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die $@;
my $port = $mute->sockport;
$t->sql_ctl("SELECT dts_create_endpoint('mute', 'postgresql', 'host=127.0.0.1 port=$port user=u dbname=d password=s3cret')");

my $begun = time;
my ($rc, $out, $err) = $t->try_ctl("SET statement_timeout = '500ms'; SELECT dts_test_endpoint('mute')");
my $took = time - $begun;
isnt($rc, 0, 'a mute server: cancelled by the caller\'s timeout');
like($err, qr/statement timeout/, 'which is the error');
my $cancelled = $took;

$begun = time;
($rc, $out, $err) = $t->try_ctl("SELECT dts_test_endpoint('mute')");
$took = time - $begun;
isnt($rc, 0, 'a mute server: given up');
like($err, qr/could not connect to endpoint "mute".*DETAIL:.*did not answer in time.*HINT:/s, 'with cause and remedy');
cmp_ok($took, '<', 60, "within a bounded time ($took s)");
cmp_ok($took, '>', 5, 'not at once');
cmp_ok($cancelled, '<', $took - 3, "but at once when cancelled ($cancelled s)");

close $mute;
($rc, $out, $err) = $t->try_ctl("SELECT dts_test_endpoint('mute')");
like($err, qr/could not connect to endpoint "mute".*DETAIL:.*refused.*HINT:/s, 'nobody listens');
unlike($err, qr/s3cret/, 'the password is not shown');

# A server that asks for a password.
$t->sql_source("SET password_encryption = 'scram-sha-256'; CREATE ROLE pw LOGIN PASSWORD 'r1ght'");
my $hba = $t->{source}->data_dir . '/pg_hba.conf';
open my $fh, '+<', $hba or die $!;
my @lines = <$fh>;
seek $fh, 0, 0;
print $fh "local all pw scram-sha-256\n", @lines;
close $fh;
$t->{source}->reload;
my $conninfo = $t->conninfo('source') =~ s/user=\S+/user=pw/r;
$t->sql_ctl("CREATE ROLE op LOGIN IN ROLE dts_operator");
for (['right', 'r1ght'], ['wrong', 'wr0ng'])
{
	my ($name, $password) = @$_;
	$t->sql_ctl("SELECT dts_create_endpoint('$name', 'postgresql', '$conninfo password=$password')");
	$t->sql_ctl("GRANT USAGE ON FOREIGN SERVER \"$name\" TO op");
}
is($t->sql_ctl("SET ROLE op; SELECT role, tls FROM dts_test_endpoint('right')"), 'pw|off', 'an operator may test an endpoint with a password');
($rc, $out, $err) = $t->try_ctl("SELECT dts_test_endpoint('wrong')");
like($err, qr/could not connect to endpoint "wrong".*DETAIL:.*password authentication failed.*HINT:/s, 'a wrong password');
unlike($err, qr/wr0ng/, 'which is not shown');
unlike(PostgreSQL::Test::Utils::slurp_file($t->{target}->logfile), qr/s3cret|wr0ng|r1ght.*ERROR/, 'nor logged');
# Sessions end with the test.
ok($t->wait_for('the sessions to end', sub { $t->sql_source("SELECT count(*) FROM pg_stat_activity WHERE usename = 'pw'") eq '0' }), 'no session stays');
done_testing;
