# A receiver that stores what it gets later than the next row comes: of a position that it knows, of a keepalive or a
# transaction's end, it hears no second time without being asked, and of one that no row brings it hears.
#
#   perl keepalives.pl SOCKET_FOLDER PORT USER SLOT OPTIONS COMMAND ROWS OTHER
#
# COMMAND is run by a shell to commit each of the ROWS, when the row before has come; OTHER moves the log on, without a row.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Walsender;

my ($command, $rows, $other) = splice @ARGV, 5;
alarm 120;
my $session = Walsender->new(@ARGV);
my ($told, $seen, $repeated, $later) = (0, 0, 0, 0);
system($command) == 0 or die "the first row\n";
while ($seen < $rows || !$later)
{
	my ($type, $body) = $session->message;
	next if $type ne 'd';
	my $kind = substr($body, 0, 1);
	my $position = unpack('Q>', substr($body, 1, 8));
	if ($kind eq 'k')
	{
		my $asks = ord(substr($body, 17, 1));
		$repeated++ if !$asks && $position <= $told;
		$later = 1 if $seen == $rows && $position > $told;
	}
	elsif ($position > $told)    # not the session's first message, which describes the stream
	{
		system(++$seen < $rows ? $command : $other) == 0 or die "after row $seen\n";
	}
	$told = $position if $position > $told;
}
die "$repeated keepalives named a position that was known\n" if $repeated;
