# DtsSession: a psql that stays connected, for tests that hold transactions open.
package DtsSession;

use strict;
use warnings;
use Carp;
use IPC::Open3;
use POSIX ':sys_wait_h';
use Time::HiRes 'time';

sub new
{
	my ($class, $conninfo) = @_;
	my $self = bless { serial => 0, buffer => '' }, $class;
	$self->{pid} = open3($self->{in}, $self->{out}, undef, 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $conninfo);
	$self->{in}->autoflush(1);
	return $self;
}

# Sends without waiting for the result.
sub send
{
	my ($self, $sql) = @_;
	local $SIG{PIPE} = 'IGNORE';
	$self->{mark} = 'dts-session-' . ++$self->{serial};
	return print { $self->{in} } "$sql\n;\n\\echo $self->{mark}\n";
}
# The output of what was sent, errors included; undef when the session is gone.
sub result
{
	my ($self, $timeout) = @_;
	my $end = time + ($timeout // 180);
	my $mark = "$self->{mark}\n";
	my $at;
	while (($at = index $self->{buffer}, $mark) < 0)
	{
		my $bits = '';
		vec($bits, fileno($self->{out}), 1) = 1;
		my $left = $end - time;
		croak 'timed out waiting for psql' if $left <= 0;
		next if select($bits, undef, undef, $left) <= 0;
		sysread($self->{out}, $self->{buffer}, 65536, length $self->{buffer}) or return undef;
	}
	my $out = substr $self->{buffer}, 0, $at;
	substr($self->{buffer}, 0, $at + length $mark) = '';
	chomp $out;
	return $out;
}
# Runs statements that must succeed.
sub do
{
	my ($self, $sql, $timeout) = @_;
	my $out = $self->try($sql, $timeout);
	croak "session: $sql\nfailed: " . ($out // 'connection lost') if !defined $out || $out =~ /^(?:psql:.*)?(?:ERROR|FATAL|PANIC):/m;
	return $out;
}
# Runs statements that may fail; undef when the session is gone.
sub try
{
	my ($self, $sql, $timeout) = @_;
	$self->send($sql) or return undef;
	return $self->result($timeout);
}
sub close
{
	my $self = shift;
	return if !$self->{pid};
	close $self->{in};
	kill TERM => $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}
sub DESTROY { local ($?, $@, $!); $_[0]->close; return; }

1;
