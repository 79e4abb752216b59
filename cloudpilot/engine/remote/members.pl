#!/usr/bin/perl
# members.pl NAME [whole|FORMAT]: what comes in, as members of a tar: NAME.000000, NAME.000001, …, each of 32 MiB
# but the last. A tar's header says how long what follows is, and nobody knows that of a dump. Put
# together again they are what came in: `tar -xOf ARCHIVE --wildcards 'NAME.*'`.
#
# With `whole` it is one member called NAME, and too long is an error.
#
# With FORMAT, archive or one of rows.pl, it is read meanwhile; work/said gets what is in it.
#
# work/bytes gets how many there were. It uses no module: what comes with perl differs by system.
use strict;
use warnings;

sub MEMBER ()      { return 32 * 1024 * 1024 }    # bytes; held in memory, so not more
sub CHUNK ()       { return 1024 * 1024 }
sub SLICE ()       { return 128 * 1024 }
sub INTERRUPTED () { return 4 }
sub SET_PIPE ()    { return 1031 }                # fcntl F_SETPIPE_SZ

my ($here) = $0 =~ m{^(.*/)};
$here = defined $here ? $here =~ m{^/} ? $here : "./$here" : './';    # `require` looks elsewhere else

BEGIN {
    my ($beside) = $0 =~ m{^(.*/)};
    require(defined $beside ? $beside =~ m{^/} ? "${beside}entry.pl" : "./${beside}entry.pl" : './entry.pl');
}

my ($name, $form) = @ARGV;
my $whole = defined $form && $form eq 'whole';
my ($take, $said) = $whole || !defined $form ? () : reader();
my ($number, $bytes, $size) = (0, 0, 0);
my $buffer = '';

binmode STDIN;
binmode STDOUT;
fcntl $_, SET_PIPE, CHUNK for *STDIN, *STDOUT;
while (my $got = read_more()) {
    read_through($got) if $take;
    $size += $got;
    member() if $size == MEMBER;
}
member() if $size || !$number;    # of nothing, one that is empty
note('work/bytes', "$bytes\n");
note('work/said', $said->()) if $said;
exit 0;

# reader: what takes the bytes that pass, and what says at the end what is in them.
sub reader {
    require "${here}rows.pl";
    if ($form eq 'archive') {
        require "${here}archive.pl";
        return (\&Archive::take, \&Archive::said);
    }
    Rows::begin($form);
    return (\&Rows::take, \&Rows::said);
}

# read_through(GOT): in slices that the processor's own memory can hold, which is much faster.
sub read_through {
    my ($got) = @_;
    for (my $from = 0; $from < $got; $from += SLICE) {
        my $most = $got - $from < SLICE ? $got - $from : SLICE;
        $take->(substr $buffer, $size + $from, $most);
    }
    return;
}

# note(FILE, TEXT)
sub note {
    my ($file, $text) = @_;
    open my $told, '>', $file or stop('Cannot write');
    print {$told} $text or stop('Cannot write');
    close $told or stop('Cannot write');
    return;
}

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
