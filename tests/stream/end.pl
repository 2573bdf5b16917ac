# A receiver that ends the stream in the middle of a backlog: the server says so, too, and nothing follows that.
#
#   perl end.pl SOCKET_FOLDER PORT USER SLOT OPTIONS MESSAGES      MESSAGES: how many are read first
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Walsender;

my $messages = pop @ARGV;
alarm 60;
my $session = Walsender->new(@ARGV);
my ($seen, $ended, $after) = (0, 0, 0);
while (1)
{
	my ($type) = $session->message;
	last if $type eq 'Z';
	$ended = 1 if $type eq 'c';
	next if $type ne 'd';
	$after += $ended;
	$session->put('c', '') if ++$seen == $messages;
}
die "$after messages came after the end of the stream\n" if $after;
die "the stream did not end\n" unless $ended;
