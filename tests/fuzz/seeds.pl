#!/usr/bin/perl
# Turns golden vectors into inputs of fuzz_wire_read: seeds.pl FOLDER VECTOR...
use strict;
use warnings;
use File::Basename qw(basename);

my ($folder, @vectors) = @ARGV;
for my $vector (@vectors)
{
	my @messages;
	open my $in, '<', $vector or die "$vector: $!\n";
	while (<$in>)
	{
		push @messages, '' if /^>/;
		next unless s/^[>+]//;
		s/\s+//g;
		$messages[-1] .= pack 'H*', $_;
	}
	close $in;
	for my $switches (1, 3)
	{
		my $name = basename($vector, '.vec') . "_$switches";
		open my $out, '>:raw', "$folder/$name" or die "$folder/$name: $!\n";
		print $out chr($switches), map { pack('n', length) . $_ } @messages;
		close $out;
	}
}
