# DtsHook: an HTTP server on loopback that alerts are posted to; it keeps what it got and answers by the path.
#
#   /ok 200   /busy 503   /flaky 503 once, then 200   /redirect 302 to /ok   /never no answer   /code a chat service's refusal
package DtsHook;

use strict;
use warnings;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();

sub start
{
	my ($class, $log) = @_;
	my $listen = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1) or die "listen: $!";
	my $self = bless { log => $log, port => $listen->sockport }, $class;
	open my $touch, '>', $log or die "$log: $!";
	$self->{pid} = fork // die "fork: $!";
	return $self if $self->{pid};
	$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
	my $flaky = 0;
	while (my $client = $listen->accept)
	{
		my $text = '';
		while ($text !~ /\r\n\r\n/) { sysread($client, $text, 65536, length $text) or last; }
		my ($head, $body) = split /\r\n\r\n/, $text, 2;
		my ($length) = ($head // '') =~ /^content-length:\s*(\d+)/im;
		$body //= '';
		while (length $body < ($length // 0)) { sysread($client, $body, 65536, length $body) or last; }
		my ($method, $path) = ($head // '') =~ m{^(\S+) (\S+)};
		my %header = map { lc } ($head // '') =~ /^([\w-]+):\s*(.*?)\r?$/mg;
		open my $out, '>>', $log or POSIX::_exit(1);
		print $out JSON::PP->new->canonical->encode({ method => $method, path => $path, header => \%header, body => $body }), "\n";
		close $out;
		$path = '' if !defined $path;
		my ($status, $more, $answer) = ('200 OK', '', '{}');
		if ($path =~ m{^/never}) { sleep 60; next; }
		elsif ($path =~ m{^/busy} || $path =~ m{^/flaky} && !$flaky++) { $status = '503 Busy'; }
		elsif ($path =~ m{^/redirect}) { ($status, $more) = ('302 Found', "Location: http://127.0.0.1:$self->{port}/ok\r\n"); }
		elsif ($path =~ m{^/code}) { $answer = '{"errcode": 310000, "errmsg": "sign not match"}'; }
		elsif ($path =~ m{^/fine}) { $answer = '{"errcode": 0}'; }
		print $client "HTTP/1.1 $status\r\n${more}Content-Type: application/json\r\nContent-Length: " . length($answer) . "\r\nConnection: close\r\n\r\n$answer";
		close $client;
	}
	POSIX::_exit(0);
}
sub url { my ($self, $path) = @_; return "http://127.0.0.1:$self->{port}$path"; }
# What was posted to a path.
sub got
{
	my ($self, $path) = @_;
	open my $in, '<', $self->{log} or return;
	return grep { $_->{path} =~ m{^\Q$path\E(\?|$)} } map { JSON::PP->new->decode($_) } <$in>;
}
sub stop
{
	my $self = shift;
	kill KILL => $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}
1;
