#!/usr/bin/perl
# state.pl list STATE: what folders a state of tar's (--listed-incremental) has, as INODE NAME, each ended by
# a NUL.
# state.pl keep STATE: STATE without the folders that are not what they were: those that the list on standard
# input does not have under the same name as the same inode. For tar they are new then, and it stores
# them whole. Otherwise it would note that a folder has another name: GNU tar 1.34 does so again in the
# next increment when two folders have changed names with each other, and what is restored is neither.
#
# state.pl earlier STATE: STATE, as if it had begun some seconds before. The kernel's times of files are some
# milliseconds behind the clock that tar asks: what changes right after tar has read it would look older.
#
# A state, version 2: a line; seconds and nanoseconds of its time; then of each folder: whether it is on
# NFS, its time in seconds and nanoseconds, device, inode, name, what it holds, an empty word, and one
# more NUL. Words end with a NUL. (GNU tar's manual, "Format of snapshot files".)
#
# It uses no module: what comes with perl differs by system.
use strict;
use warnings;

sub INODE () { return 4 }
sub NAME ()  { return 5 }
sub EARLIER () { return 2 }    # seconds

my ($wish, $state) = @ARGV;
binmode $_ for *STDIN, *STDOUT;
my %inodes;
if ($wish eq 'earlier') {
    my $text = contents($state);
    my ($line, $seconds) = head_of($state) =~ /^([^\n]*\n)(\d+)\0/;
    print $line, $seconds - EARLIER, substr $text, length($line) + length $seconds;
}
elsif ($wish eq 'list') {
    each_folder($state, sub { print "$_[1 + INODE] $_[1 + NAME]\0" });
}
else {
    local $/ = "\0";
    while (my $line = <STDIN>) {
        my ($inode, $name) = $line =~ /^(\d+) (.*)\0\z/s or stop('The list of folders is not whole');
        $inodes{$name} = $inode;
    }
    print head_of($state);
    each_folder($state, sub {
        my ($record, @words) = @_;
        my $inode = $inodes{ $words[NAME] };
        print $record if defined $inode && $inode eq $words[INODE];
    });
}
close STDOUT or exit 71;
exit 0;

# head_of FILE: up to its first folder.
sub head_of {
    my ($file) = @_;
    my ($head) = contents($file) =~ /^(GNU tar-[^\n]*-2\n\d+\0\d+\0)/ or stop("$file is no state");
    return $head;
}

# each_folder FILE CODE: CODE gets the record, and its words up to the name. Only at the end of a record are
# three NULs together.
sub each_folder {
    my ($file, $code) = @_;
    my $text = contents($file);
    my $at   = length head_of($file);
    while ($at < length $text) {
        my $end = index $text, "\0\0\0", $at;
        stop("$file cannot be read to its end") if $end < 0;
        my $record = substr $text, $at, $end + 3 - $at;
        $code->($record, split /\0/, $record, NAME + 2);
        $at = $end + 3;
    }
    return;
}

sub contents {
    my ($file) = @_;
    open my $handle, '<:raw', $file or stop("$file: $!");
    local $/ = undef;
    my $text = <$handle>;
    return defined $text ? $text : '';
}

sub stop {
    my ($sentence) = @_;
    print {*STDERR} "$sentence\n";
    exit 70;
}
