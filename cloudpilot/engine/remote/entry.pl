# Entries of a tar that are ours, and what a header is made of; for pack.pl and members.pl.
use strict;
use warnings;

sub BLOCK () { return 512 }

# own_entry(NAME, CONTENT): as tar would store a file of root's that only root may read.
sub own_entry {
    my ($name, $content) = @_;
    my $size = length $content;
    return own_header($name, $size) . $content . "\0" x (padded($size) - $size);
}

# own_header(NAME, SIZE): NAME has at most 100 bytes.
sub own_header {
    my ($name, $size) = @_;
    my $block = pack 'a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 a12',
        $name, octal(0600, 7), octal(0, 7), octal(0, 7), octal($size, 11), octal(time, 11),
        '', '0', '', "ustar\0", '00', '', '', octal(0, 7), octal(0, 7), '', '';
    substr $block, 148, 8, octal(checksum($block), 6) . "\0 ";
    return $block;
}

sub octal {
    my ($number, $digits) = @_;
    return sprintf "%0${digits}o", $number;
}

# checksum(BLOCK): the sum of its bytes, with blanks in place of the sum itself.
sub checksum {
    my ($block) = @_;
    substr $block, 148, 8, ' ' x 8;
    return unpack '%32C*', $block;
}

# padded(SIZE): whole blocks.
sub padded {
    my ($size) = @_;
    return int(($size + BLOCK - 1) / BLOCK) * BLOCK;
}

1;
