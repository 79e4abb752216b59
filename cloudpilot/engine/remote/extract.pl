#!/usr/bin/perl
# extract.pl NAME: of a tar on standard input, what is in the member NAME, or in NAME.000000 and so on, one after the
# other, to standard output. Those of one dump follow each other, and dumps come before files: what comes after
# them is not waited for, or each database of a backup would cost a look through all of it.
#
# Exit status 1: there is no such member, or the tar ends within it.
#
# It uses no module: what comes with perl differs by system.
use strict;
use warnings;

sub BLOCK () { return 512 }
sub PIECE () { return 1_048_576 }

my ($wanted) = @ARGV;
my $found = 0;
binmode STDIN;
binmode STDOUT;
while (defined(my $header = bytes(BLOCK))) {
    last if $header !~ /[^\0]/;    # the end
    my ($name, $size, $type) = (unpack('Z100', $header), size(substr $header, 124, 12), substr $header, 156, 1);
    my $is_it = $type =~ /^[0\0]$/ && $name =~ /^\Q$wanted\E(?:\.\d{6,})?\z/;
    # What describes the next member has a type of its own, and says nothing about the order.
    last if $type !~ /^[xgLK]$/ && !$is_it && ($found || $name =~ m{^files(?:/|\z)});
    $found ||= $is_it;
    pass($size, $is_it);
    pass((BLOCK - $size % BLOCK) % BLOCK, 0);
}
close STDOUT or die "Cannot write: $!\n";
exit($found ? 0 : 1);

# size(FIELD): octal, or, of what is larger, binary.
sub size {
    my ($field) = @_;
    return oct(($field =~ /([0-7]+)/)[0] // 0) if ord($field) < 128;
    my $size = 0;
    $size = $size * 256 + ord $_ for split //, substr $field, 1;
    return $size;
}

# pass(COUNT, IS_WANTED)
sub pass {
    my ($left, $is_wanted) = @_;
    while ($left) {
        my $piece = bytes($left < PIECE ? $left : PIECE);
        die "The tar ends too early.\n" if !defined $piece;
        $left -= length $piece;
        print $piece or die "Cannot write: $!\n" if $is_wanted;
    }
    return;
}

# bytes(COUNT): so many; nothing at the end.
sub bytes {
    my ($count) = @_;
    my $got = '';
    while (length $got < $count) {
        my $read = read STDIN, $got, $count - length $got, length $got;
        return if !$read;
    }
    return $got;
}
