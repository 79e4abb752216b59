#!/usr/bin/perl
# members.pl NAME [whole]: what comes in, as members of a tar: NAME.000000, NAME.000001, …, each of 32 MiB
# but the last. A tar's header says how long what follows is, and nobody knows that of a dump. Put
# together again they are what came in: `tar -xOf ARCHIVE --wildcards 'NAME.*'`.
#
# With `whole` it is one member called NAME, and too long is an error.
#
# work/bytes gets how many there were. It uses no module: what comes with perl differs by system.
use strict;
use warnings;

sub MEMBER ()      { return 32 * 1024 * 1024 }    # bytes; held in memory, so not more
sub CHUNK ()       { return 1024 * 1024 }
sub INTERRUPTED () { return 4 }
sub SET_PIPE ()    { return 1031 }                # fcntl F_SETPIPE_SZ

BEGIN {
    my ($here) = $0 =~ m{^(.*/)};    # `require` looks elsewhere unless it is told so
    require(defined $here ? $here =~ m{^/} ? "${here}entry.pl" : "./${here}entry.pl" : './entry.pl');
}

my ($name, $whole) = @ARGV;
my ($number, $bytes, $size) = (0, 0, 0);
my $buffer = '';

binmode STDIN;
binmode STDOUT;
fcntl $_, SET_PIPE, CHUNK for *STDIN, *STDOUT;
while (my $got = read_more()) {
    $size += $got;
    member() if $size == MEMBER;
}
member() if $size || !$number;    # of nothing, one that is empty
open my $told, '>', 'work/bytes' or stop('Cannot write');
print {$told} "$bytes\n" or stop('Cannot write');
close $told or stop('Cannot write');
exit 0;

# read_more: into the buffer, which keeps its memory from member to member.
sub read_more {
    while (1) {
        my $room = MEMBER - $size;
        my $got = sysread STDIN, $buffer, $room < CHUNK ? $room : CHUNK, $size;
        return $got if defined $got;
        stop('Cannot read') if $! != INTERRUPTED;
    }
}

sub member {
    stop("$name is too long") if $whole && $number;
    write_all(own_header($whole ? $name : sprintf('%s.%06d', $name, $number), $size), BLOCK());
    write_all($buffer, $size);
    write_all("\0" x BLOCK(), padded($size) - $size);
    $bytes += $size;
    $number++;
    $size = 0;
    return;
}

# write_all(BYTES, LENGTH)
sub write_all {
    my $done = 0;
    while ($done < $_[1]) {
        my $most = $_[1] - $done < CHUNK ? $_[1] - $done : CHUNK;
        my $wrote = syswrite STDOUT, $_[0], $most, $done;
        next if !defined $wrote && $! == INTERRUPTED;
        stop('Cannot write') if !$wrote;
        $done += $wrote;
    }
    return;
}

sub stop {
    my ($doing) = @_;
    print {*STDERR} "$doing: $!\n";
    exit 70;
}
