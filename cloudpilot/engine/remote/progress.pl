#!/usr/bin/perl
# progress.pl STAGE EXPECTED: from standard input, what rsync says (--info=progress2 --no-human-readable). How far
# it is goes to the file `progress`, in bytes of EXPECTED; everything else to standard output.
#
# It uses no module: what comes with perl differs by system.
use strict;
use warnings;

my ($stage, $expected) = @ARGV;
my $rest = '';
my $said = 0;    # when progress was last written

while (1) {
    my $got = sysread STDIN, $rest, 65_536, length $rest;
    last if defined $got && !$got;
    next if !defined $got;
    while ($rest =~ s/^([^\r\n]*)[\r\n]//) { heard($1) }
}
heard($rest) if length $rest;

sub heard {
    my ($line) = @_;
    if ($line =~ /^\s*(\d+)\s+\d+%\s/) { progress($1) }
    elsif (length $line) { print "$line\n" }
    return;
}

# progress(DONE): once a second. It must not fail the work: the disk may be full for a moment.
sub progress {
    my ($done) = @_;
    return if time == $said;
    $said = time;
    my $total = $done > $expected ? $done : $expected;
    open my $handle, '>', 'work/progress' or return;
    print {$handle} "$stage $done $total\n";
    close $handle and rename 'work/progress', 'progress';
    return;
}
