# archive.pl: what is in a dump of PostgreSQL's custom format that was not packed by pg_dump, said while it
# passes; for members.pl, beside rows.pl. Its bytes are all gone through, as pg_restore does: each table's data has its
# block, each block is whole, nothing follows the last. What it says is as rows.pl says it: T and E.
#
# The format is that of pg_dump 9.0 to 18 (versions 1.12 to 1.16 of an archive):
# https://github.com/postgres/postgres/blob/REL_17_STABLE/src/bin/pg_dump/pg_backup_custom.c
#
# work/head gets what is before the data, the table of contents, for `pg_restore --list`. Memory grows with
# that table, not with rows. It uses no module: what comes with perl differs by system.
package Archive;
use strict;
use warnings;

sub DATA ()  { return 1 }    # kinds of blocks
sub BLOBS () { return 3 }
sub END_OF_ROWS () { return "\\.\n\n\n" }    # pg_dump writes it behind them
sub HEADER ()      { return 5 }                 # bytes of a piece's length
sub LAST_ONES ()   { return 2 }                 # pieces

my ($buffer, $at) = ('', 0);    # what is not understood yet, and how much of it is
my ($version, $bytes_of_int, $bytes_of_offset);
my $entries;                    # of the table of contents still to come
my (%tables, %missing);         # by number: its name, if it is a table; whether its data is still to come
my (%rows, @names);
my $state = \&head;             # what comes next: it is asked until it needs more
my $inside;                     # number of the block that we are in
my $left = 0;                   # bytes of the piece of data that we are in
my $tail = '';                  # the last bytes of a table's data

# take(BYTES): the next of the dump; dies if it is not one.
sub take {
    $buffer .= $_[0];
    while (1) { last if !$state->() }
    substr $buffer, 0, $at, '';
    $at = 0;
    return;
}

# said: lines for work/said.
sub said {
    my $whole = $state == \&block && !length $buffer && !%missing;
    return join('', map { "T $_ $rows{$_}\n" } @names) . ($whole ? "E\n" : '');
}

# head: up to the number of entries.
sub head {
    my $from = $at;
    my $read = eval { read_head(); 1 };
    return 1 if $read;
    die $@ if $@ ne "more\n";
    $at = $from;
    return 0;
}

sub read_head {
    my $start = fixed(11);
    my ($major, $minor, $revision, $int, $offset, $format) = unpack 'x5 C6', $start;
    die "This is no dump of PostgreSQL's custom format.\n" if substr($start, 0, 5) ne 'PGDMP' || $format != 1;
    $version = $major * 100 + $minor;
    die "The format of this dump, $major.$minor, is not known.\n" if $version < 112 || $version > 116;
    ($bytes_of_int, $bytes_of_offset) = ($int, $offset);
    my $packed = $version >= 115 ? ord fixed(1) : integer();
    die "The numbers of this dump are not known.\n" if $bytes_of_int != HEADER - 1;
    die "This dump is packed.\n" if $packed;
    integer() for 1 .. 7;    # when it was made
    text() for 1 .. 3;       # of which database, and by which versions
    $entries = integer();
    $state = \&contents;
    return;
}

# contents: the entries of the table, one by one.
sub contents {
    while ($entries) {
        my $from = $at;
        if (!eval { read_entry(); 1 }) {
            die $@ if $@ ne "more\n";
            $at = $from;
            last;
        }
        $entries--;
    }
    keep(substr $buffer, 0, $at);
    return 0 if $entries;
    $state = \&block;
    return 1;
}

sub read_entry {
    my $number   = integer();
    my $has_data = integer();
    text() for 1 .. 2;    # of its catalogue
    my ($tag, $kind) = (text(), text());
    integer();            # section
    text() for 1 .. 3;    # its statements
    my $schema = text();
    text();               # tablespace
    text() if $version >= 114;
    integer() if $version >= 116;
    text() for 1 .. 2;    # owner, and a word that has no meaning any more
    while (defined text()) { }    # what it depends on
    fixed(1 + $bytes_of_offset);
    $missing{$number} = 1 if $has_data;
    $tables{$number} = Rows::escaped("$schema.$tag") if $has_data && $kind eq 'TABLE DATA';
    return;
}

my $head;

# keep(BYTES)
sub keep {
    if (!$head) { open $head, '>:raw', 'work/head' or die "Cannot write: $!\n" }
    print {$head} $_[0] or die "Cannot write: $!\n";
    return if $entries;
    close $head or die "Cannot write: $!\n";
    return;
}

# block: the beginning of one.
sub block {
    return 0 if length($buffer) - $at < 2 + $bytes_of_int;
    my $kind = ord fixed(1);
    $inside = integer();
    $tail = '';
    die "The dump holds data that nothing in it is to have.\n" if !delete $missing{$inside};
    if ($kind == DATA) {
        my $name = $tables{$inside};
        die "The dump holds rows of what is no table.\n" if !defined $name;
        push @names, $name if !exists $rows{$name};
        $rows{$name} ||= 0;
        $state = \&data;
    }
    elsif ($kind == BLOBS) { $state = \&blob }
    else                   { die "The dump holds something unknown.\n" }
    return 1;
}

# blob: large objects, each with its number; 0 ends them.
sub blob {
    return 0 if length($buffer) - $at < 1 + $bytes_of_int;
    $state = integer() ? \&data : \&block;
    return 1;
}

# data: pieces, each with its length; 0 ends them. Of a table each row has an end of line and no other.
sub data {
    my $end = length $buffer;
    pass($end) if $left;
    return 0 if $left;
    pass_many($end) if defined $tables{$inside};
    while (!$left && $end - $at >= HEADER) {
        my ($sign, $size) = unpack 'CV', substr $buffer, $at, HEADER;
        die "The dump is damaged: it holds a piece of no possible length.\n" if $sign;
        $at += HEADER;
        return end_of_data() if !$size;
        $left = $size;
        pass($end);
    }
    return 0;
}

sub end_of_data {
    my $name = $tables{$inside};
    $rows{$name} -= END_OF_ROWS =~ tr/\n// if defined $name && $tail eq END_OF_ROWS;
    $state = defined $name ? \&block : \&blob;
    return 1;
}

# pass_many(END): pieces that are there whole. One command for all of them is many times faster than to look at
# each; it takes what is behind them for pieces, too, so the last ones are left to who looks at each.
sub pass_many {
    my ($end) = @_;
    my @pieces = eval { unpack '(xV/a*)*', substr $buffer, $at };
    my $count = 0;
    for my $piece (@pieces) {
        last if !length $piece;
        $count++;
    }
    return if $count <= LAST_ONES;
    $#pieces = $count - 1 - LAST_ONES;
    my $rows = join '', @pieces;
    $at += length($rows) + HEADER * @pieces;
    die "The dump is damaged: its pieces are longer than it is.\n" if $at > $end;
    note_rows($rows);
    return;
}

# note_rows(BYTES): of a table.
sub note_rows {
    my ($rows) = @_;
    my $most = length END_OF_ROWS;
    $rows{ $tables{$inside} } += Rows::lines($rows);
    $tail .= length $rows > $most ? substr $rows, -$most : $rows;
    $tail = substr $tail, -$most if length $tail > $most;
    return;
}

# pass(END): of the piece that we are in, what there is before END.
sub pass {
    my ($end) = @_;
    my $step = $left < $end - $at ? $left : $end - $at;
    note_rows(substr $buffer, $at, $step) if $step && defined $tables{$inside};
    $at   += $step;
    $left -= $step;
    return;
}

# --- numbers and texts -----------------------------------------------------------------------

sub fixed {
    my ($size) = @_;
    die "more\n" if length($buffer) - $at < $size;
    $at += $size;
    return substr $buffer, $at - $size, $size;
}

sub integer {
    my ($sign, @bytes) = unpack 'C*', fixed(1 + $bytes_of_int);
    my $value = 0;
    $value = $value * 256 + $_ for reverse @bytes;
    return $sign ? -$value : $value;
}

# text: undefined if there is none.
sub text {
    my $size = integer();
    return $size < 0 ? undef : fixed($size);
}

1;
