# A receiver that ends the stream in the middle of a backlog: the server says so, too, and nothing follows that.
# By hand, because libpq leaves out what comes where nothing should.
#
#   perl end.pl SOCKET_FOLDER PORT USER SLOT OPTIONS MESSAGES      MESSAGES: how many are read first
use strict;
use warnings;
use IO::Socket::UNIX;

my ($folder, $port, $user, $slot, $options, $messages) = @ARGV;
my $socket = IO::Socket::UNIX->new(Peer => "$folder/.s.PGSQL.$port") or die "cannot connect: $!\n";
alarm 60;

sub get
{
	my ($length) = @_;
	my $bytes = '';
	while (length($bytes) < $length)
	{
		sysread($socket, $bytes, $length - length($bytes), length($bytes)) or die "the connection is gone\n";
	}
	return $bytes;
}

sub message
{
	my ($type, $length) = unpack('aN', get(5));
	my $body = get($length - 4);
	die "error: $body\n" if $type eq 'E';
	return $type;
}

sub put
{
	my ($type, $body) = @_;
	syswrite($socket, $type . pack('N', length($body) + 4) . $body);
}

put('', pack('N', 3 << 16) . join("\0", 'user', $user, 'database', 'postgres', 'replication', 'database', '', ''));
while (message() ne 'Z') { }
put('Q', "START_REPLICATION SLOT $slot LOGICAL 0/0 ($options)\0");
my ($seen, $ended, $after) = (0, 0, 0);
while ((my $type = message()) ne 'Z')
{
	$ended = 1 if $type eq 'c';
	next if $type ne 'd';
	$after += $ended;
	put('c', '') if ++$seen == $messages;
}
die "$after messages came after the end of the stream\n" if $after;
die "the stream did not end\n" unless $ended;
