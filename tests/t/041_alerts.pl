# Alerts and slots with a real daemon, posted to a real HTTP server on loopback: what goes out, how it is signed, what is tried
# again, what is refused; and what a slot retains, also of a job that stands still or whose source is away.
use strict;
use warnings;
use Digest::SHA 'hmac_sha256_hex';
use DtsHook;
use DtsTest;
use JSON::PP ();
use Test::More;

my $t = DtsTest->new(database => 'shop');
my $hook = DtsHook->start("$ENV{TESTDIR}/hook.log");
END { my $status = $?; $hook->stop if $hook && !$DtsTest::in_child; $? = $status; }
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');

# TLS, where the tools for a server of our own are there.
my $dir = $ENV{TESTDIR};
my $tls = system("openssl version >/dev/null 2>&1 && python3 -c 'import ssl' 2>/dev/null") == 0
	&& system("openssl req -x509 -newkey rsa:2048 -nodes -keyout $dir/key.pem -out $dir/cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost >$dir/openssl.log 2>&1") == 0;
$t->start_daemon(args => $tls ? [ '--alert-ca', "$dir/cert.pem" ] : []);
$t->create_job('j');
my $set = sub {
	my ($path, %rule) = @_;
	my $rule = JSON::PP->new->canonical->encode({ method => 'webhook', url => $path =~ /^http/ ? $path : $hook->url($path), %rule });
	return $t->sql_ctl("SELECT dts_set_alert('j', '$rule')");
};
# Sends a test and waits until its state is what is expected; its row of the log.
my $send = sub {
	my ($state) = @_;
	my ($id) = $t->sql_ctl("SELECT dts_test_alert('j')") =~ /test alert (\d+)/;
	my $row;
	$t->wait_for("alert $id to be $state", sub { ($row = $t->sql_ctl("SELECT concat_ws('|', state, attempts, http_status, error) FROM dts_alert_log WHERE id = $id AND attempts > 0 AND (error IS NOT NULL OR state = 'sent')")) =~ /^$state/ });
	return $row;
};

$t->sql_ctl("SELECT dts_allow_alert_host('127.0.0.1', plain_http => true, internal => true)");
$set->('/ok', secret => 'geheim');
is($send->('sent'), 'sent|1|200', 'a webhook is posted');
my ($post) = $hook->got('/ok');
my $body = JSON::PP->new->decode($post->{body});
is("$post->{method} $post->{header}{'content-type'} $body->{job} $body->{reason}", 'POST application/json j test', 'as JSON');
is($post->{header}{'x-dts-signature'}, 'sha256=' . hmac_sha256_hex("$post->{header}{'x-dts-timestamp'}.$post->{body}", 'geheim'), 'signed');
ok(abs($post->{header}{'x-dts-timestamp'} - time) < 60, 'just now');
unlike("@{[ %{ $post->{header} } ]} $post->{body}", qr/geheim|host=|user=/, 'no secret in it');

$set->('/redirect');
is($send->('failed'), 'failed|1|302|the host answered with status 302; redirects are not followed', 'redirects are not followed');
is(scalar(my @ok = $hook->got('/ok')), 1, 'nothing came where it pointed');
$set->('/flaky');
is($send->('pending'), 'pending|1|503|the host answered with status 503', 'a host that is busy is tried again');
$t->sql_ctl("UPDATE dts.alert_delivery SET next_at = now() WHERE state = 'pending'");
$t->wait_for('it to be sent', sub { $t->sql_ctl("SELECT count(*) FROM dts_alert_log WHERE state = 'sent' AND attempts = 2") eq '1' });
my @flaky = map { JSON::PP->new->decode($_->{body})->{id} } $hook->got('/flaky');
ok(@flaky == 2 && $flaky[0] == $flaky[1], 'with the same id');
$set->('/code', method => 'dingtalk');
like($send->('failed'), qr/the service answered code 310000/, 'a chat service that refuses');
$set->('/fine?access_token=x', method => 'dingtalk', secret => 'SEC');
like($send->('sent'), qr/^sent/, 'and one that accepts');
like(($hook->got('/fine'))[0]{path}, qr{^/fine\?access_token=x&timestamp=\d{13}&sign=[\w%]+$}, 'signed in the address');
$t->sql_ctl("SELECT dts_allow_alert_host('127.0.0.1', plain_http => true)");
$set->('/internal');
is($send->('failed'), q{failed|1|the host's address is internal, which is not allowed for it}, 'an internal address is refused');
is(scalar(my @internal = $hook->got('/internal')), 0, 'nothing arrived');
$t->sql_ctl("SELECT dts_allow_alert_host('localhost', plain_http => true)");
$set->("http://localhost:$hook->{port}/internal");
like($send->('failed'), qr/internal/, 'also behind a name');
$t->sql_ctl("SELECT dts_allow_alert_host('127.0.0.1', plain_http => true, internal => true)");

SKIP:
{
	skip 'openssl or python3 is missing', 2 if !$tls;
	open my $py, '>', "$dir/tls.py" or die;
	print $py <<'PY';
import http.server, ssl, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length'])); self.send_response(200); self.send_header('Content-Length', '0'); self.end_headers()
    def log_message(self, *a): pass
s = http.server.HTTPServer(('127.0.0.1', 0), H)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(sys.argv[1] + '/cert.pem', sys.argv[1] + '/key.pem')
s.socket = c.wrap_socket(s.socket, server_side=True)
open(sys.argv[1] + '/tls.port.new', 'w').write(str(s.server_port)); import os; os.rename(sys.argv[1] + '/tls.port.new', sys.argv[1] + '/tls.port')
s.serve_forever()
PY
	close $py;
	my $pid = fork // die;
	if (!$pid) { $SIG{$_} = 'DEFAULT' for qw(INT TERM); exec 'python3', "$dir/tls.py", $dir or POSIX::_exit(1); }
	$t->wait_for('the TLS server', sub { -s "$dir/tls.port" });
	open my $in, '<', "$dir/tls.port" or die;
	my $port = <$in>;
	$t->sql_ctl("SELECT dts_allow_alert_host('localhost', internal => true)");
	$set->("https://localhost:$port/");
	is($send->('sent'), 'sent|1|200', 'over TLS, with a certificate that is trusted');
	$set->("https://127.0.0.1:$port/");
	like($send->('failed'), qr/^failed\|1\|.*certificate/, 'not to a host that the certificate does not name');
	kill KILL => $pid;
	waitpid $pid, 0;
}

# A rule's state is posted when the job enters it.
$set->('/state', states => ['check_passed'], frequency_seconds => 60);
$t->check_job('j');
$t->wait_for('the alert', sub { scalar(my @got = $hook->got('/state')) });
like(($hook->got('/state'))[0]{body}, qr/"from_state": "checking"/, 'a state alerts when the job enters it');

# Slots: of a running job, of one that stands still, of one whose source is away.
$t->start_job('j');
$t->wait_job('j', 'incremental');
$t->sql_ctl("UPDATE dts.slot_sample SET tried_at = now() - interval '1 min'"); # it was looked for before it was there
$t->wait_for('a sample', sub { $t->sql_ctl("SELECT active FROM dts_slots WHERE job = 'j' AND wal_status = 'reserved'") eq 't' });
$t->act('pause', 'j');
$t->wait_job('j', 'paused');
$t->sql_source('INSERT INTO k SELECT generate_series(1, 50000)');
$t->sql_ctl("UPDATE dts.slot_sample SET tried_at = now() - interval '1 min'");
$t->wait_for('WAL to show', sub { $t->sql_ctl("SELECT retained_bytes > 3000000 AND NOT active FROM dts_slots WHERE job = 'j'") eq 't' });
pass('what a paused job retains is seen');
like($t->sql_ctl('SELECT dts_metrics_text()'), qr/^dts_slot_retained_bytes\{job="j"\} \d{7,}$/m, 'and is a metric');
$t->{source}->stop('immediate');
$t->sql_ctl("UPDATE dts.slot_sample SET tried_at = now() - interval '1 min'");
$t->wait_for('the error', sub { $t->sql_ctl("SELECT error FROM dts_slots WHERE job = 'j'") ne '' });
pass('a source that is away is said to be');
$t->{source}->start;
$t->stop_job('j');
is($t->sql_ctl('SELECT count(*) FROM dts_slots'), '0', 'a job that ended has no slot');
$t->clean('nothing is left');
is($t->{daemon}->stop, 0, 'the daemon leaves when asked, with all its processes');
is(scalar(my @log = $t->{daemon}->log_text =~ /geheim|access_token/g), 0, 'no secret in its log');
done_testing;
