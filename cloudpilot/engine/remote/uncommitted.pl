#!/usr/bin/perl
# uncommitted.pl <SCRIPT: what pg_restore --single-transaction writes for psql, without the COMMIT at its end
# and without its word that locks are waited for without end.
#
# A script holds what a dump says, and psql has commands that start programs: exits with 78 unless it is one
# that forbids them (\restrict). Exits with 94 unless it is whole. It uses no module.
use strict;
use warnings;

sub HEAD () { return 8192 }    # bytes, in which all that stands before what a dump says is found
sub TAIL () { return 512 }     # bytes, in which all that stands behind it is found

binmode $_ for *STDIN, *STDOUT;
my $text = '';
1 while length $text < HEAD && sysread STDIN, $text, HEAD, length $text;
my ($key) = $text =~ /\A(?:--[^\n]*\n|\n)*\\restrict ([A-Za-z0-9]+)\n/ or exit 78;
$text =~ s/^SET lock_timeout = 0;\n//m;
while (sysread STDIN, $text, 65_536, length $text) {
    next if length $text <= TAIL;
    print substr $text, 0, length($text) - TAIL, '' or exit 71;
}
$text =~ s/^COMMIT;\n\s*((?:--[^\n]*\n)*)\s*(\\unrestrict \Q$key\E\n)\s*\z/$2/m or exit 94;
print $text;
close STDOUT or exit 71;
exit 0;
