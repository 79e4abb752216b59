#!/usr/bin/perl
# tree.pl TWICE COUNTS: the index of a snapshot tree, to standard output, in the lines of an archive's: see
# pack.pl. Where nothing is packed there are no pieces, and offsets are 0.
#
# From standard input what find has found: INODE TYPE SIZE BLOCKS NAMES PATH and the target of a link, each
# ended by a NUL. TWICE has the inodes that have several names in the tree: the first that is met is the
# file, the others are hard links to it. COUNTS gets what it holds:
#   entries files directories symlinks hardlinks others
#   size   bytes of all files
#   own    bytes on the disk that no other tree has
#   named  bytes as rsync counts them: of each name, those of symbolic links too
#   sockets  which no archive holds
#
# It uses no module: what comes with perl differs by system.
use strict;
use warnings;

sub BLOCK_BYTES () { return 512 }    # what find counts in

my %TYPES = (f => [0, 'files'], d => [5, 'directories'], l => [2, 'symlinks'], c => [3, 'others'],
    b => [4, 'others'], p => [6, 'others']);

my ($twice, $counts) = @ARGV;
my %count = map { $_ => 0 }
    qw(entries files directories symlinks hardlinks others size own named sockets);
my %shared = map { chomp; $_ => { names => 0 } } lines($twice);    # by inode: its first path, its names here
local $/ = "\0";
$| = 0;
binmode STDIN;
binmode STDOUT;
print "V 1\n";
while (defined(my $entry = <STDIN>)) {
    my $link = <STDIN>;
    die "What find has found ends too early.\n" if !defined $link;
    chomp($entry, $link);
    take($entry, $link);
}
print "E 0 0\n";
for my $one (values %shared) { $count{own} += $one->{bytes} if ($one->{names} == ($one->{links} || 0)) }
open my $handle, '>', $counts or die "Cannot write: $!\n";
print {$handle} map {"$_=$count{$_}\n"} sort keys %count;
close $handle or die "Cannot write: $!\n";
close STDOUT or die "Cannot write: $!\n";

# take(ENTRY, TARGET)
sub take {
    my ($entry, $target) = @_;
    my ($inode, $type, $size, $blocks, $links, $path) = $entry =~ /^(\d+) (.) (\d+) (\d+) (\d+) (.+)$/s
        or die "find says what nobody understands.\n";
    $count{named} += $size if $type =~ /[fl]/;
    weigh($inode, $type, $blocks * BLOCK_BYTES, $links);
    my $first = $shared{$inode} ? $shared{$inode}{path} : undef;
    $shared{$inode}{path} = $path if $shared{$inode} && !defined $first;
    if ($type eq 's') { $count{sockets}++; return }
    my $known = $TYPES{$type} or die "There is a file of no kind: $type.\n";
    $count{entries}++;
    if (defined $first) {
        $count{hardlinks}++;
        say_entry(1, 0, $path, $first);
        return;
    }
    $count{ $known->[1] }++;
    $count{size} += $size if $type eq 'f';
    say_entry($known->[0], $type eq 'f' ? $size : 0, $type eq 'd' ? "$path/" : $path, $type eq 'l' ? $target : '');
    return;
}

# weigh(INODE, TYPE, BYTES, LINKS): what has a name elsewhere is not this tree's own.
sub weigh {
    my ($inode, $type, $bytes, $links) = @_;
    if ($shared{$inode} && $type ne 'd') {
        $shared{$inode}{names}++;
        @{ $shared{$inode} }{qw(bytes links)} = ($bytes, $links);
    }
    elsif ($type eq 'd' || $links == 1) { $count{own} += $bytes }
    return;
}

sub say_entry {
    my ($type, $size, $path, $link) = @_;
    print join(' ', 'F', $type, 0, 0, $size, escaped($path), length $link ? escaped($link) : ()), "\n";
    return;
}

# escaped(NAME): as in pack.pl.
sub escaped {
    my ($name) = @_;
    $name =~ s{([^A-Za-z0-9._/~+,\@=-])}{sprintf '%%%02X', ord $1}ge;
    return $name;
}

sub lines {
    my ($file) = @_;
    open my $from, '<', $file or die "Cannot read $file: $!\n";
    my @found = <$from>;
    close $from;
    return @found;
}
