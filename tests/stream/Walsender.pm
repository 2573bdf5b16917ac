# Walsender: a session of the replication protocol by hand, because libpq leaves out what comes where nothing should, and answers by itself.
package Walsender;

use strict;
use warnings;
use IO::Socket::UNIX;

# The session streams when this returns.
sub new
{
	my ($class, $folder, $port, $user, $slot, $options) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => "$folder/.s.PGSQL.$port") or die "cannot connect: $!\n";
	my $self = bless { socket => $socket }, $class;
	$self->put('', pack('N', 3 << 16) . join("\0", 'user', $user, 'database', 'postgres', 'replication', 'database', '', ''));
	while (($self->message)[0] ne 'Z') { }
	$self->put('Q', "START_REPLICATION SLOT $slot LOGICAL 0/0 ($options)\0");
	return $self;
}

sub get
{
	my ($self, $length) = @_;
	my $bytes = '';
	while (length($bytes) < $length)
	{
		sysread($self->{socket}, $bytes, $length - length($bytes), length($bytes)) or die "the connection is gone\n";
	}
	return $bytes;
}

# The next message's type and content.
sub message
{
	my $self = shift;
	my ($type, $length) = unpack('aN', $self->get(5));
	my $body = $self->get($length - 4);
	die "error: $body\n" if $type eq 'E';
	return ($type, $body);
}

sub put
{
	my ($self, $type, $body) = @_;
	syswrite($self->{socket}, $type . pack('N', length($body) + 4) . $body);
	return;
}

1;
