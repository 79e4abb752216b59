# What exclude patterns leave out: compares what tar lists with all files and what it lists without
# those that match. Both come in the order in which tar goes through the folders.
#   names                       listing (tar -vv) to raw names, each ended by NUL
#   merge ALL KEPT CUT TOPS PATH…  sums; what was left out goes to TOPS, the outermost of it
#   hits TOPS KEPT INDEX        what of TOPS is not in KEPT was left out by pattern INDEX

use strict;
use warnings;

my $DEPTH = 4;          # of folders below a path whose size is told
my $TOPS = 20_000;      # so many are put down to their patterns
my $FOLDERS = 10;

my %meaning = (a => "\a", b => "\b", f => "\f", n => "\n", r => "\r", t => "\t", v => "\x0b");

sub raw {
    my ($name) = @_;
    return $name if index($name, '\\') < 0;
    $name =~ s/\\([0-7]{3}|.)/length $1 == 3 ? chr oct $1 : $meaning{$1} \/\/ $1/ges;
    return $name;
}

# For an answer of lines.
sub shown {
    my ($name) = @_;
    $name =~ s/([\x00-\x1f\x7f\\])/sprintf '\\x%02x', ord $1/ge;
    return $name;
}

# One line of tar -vv: bytes and the name as it is escaped, without what it leads to.
sub entry {
    my ($line) = @_;
    my ($kind, $size, $name) = $line =~ /^(.)\S*\s+\S+\s+([\d,]+)\s+\S+\s+\S+ (.*)$/ or return;
    $name =~ s/ (?:->|link to) @\z// if $kind =~ /[lh]/;
    $name =~ s{(?<=.)/\z}{} if $kind eq 'd';
    return ($kind eq '-' ? $size : 0, $name);
}

sub names {
    while (my $line = <STDIN>) {
        chomp $line;
        my ($size, $name) = entry($line) or next;
        print raw($name), "\0";
    }
}

sub merge {
    my ($all, $kept, $cut, $tops, @paths) = @_;
    open my $every, '-|', 'gzip', '-dc', $all or die;
    open my $stays, '-|', 'gzip', '-dc', $kept or die;
    open my $out, '>', $tops or die;
    my (%sum, %folder, $top);
    my $next = following($stays);
    while (my $line = <$every>) {
        chomp $line;
        my ($size, $name) = entry($line) or next;
        last if $cut && !defined $next;
        if (defined $next && $next eq $name) {
            count(\%sum, 'kept', $size);
            add(\%folder, raw($name), $size, \@paths) if $size;
            $next = following($stays);
            next;
        }
        count(\%sum, 'out', $size);
        if (defined $top && index($name, "$top->[2]/") == 0) {
            $top->[0]++;
            $top->[1] += $size;
            next;
        }
        put($out, $top);
        $top = [1, $size, $name];
    }
    put($out, $top);
    close $out or die;
    printf "%s %d %d\n", $_, @{ $sum{$_} || [0, 0] } for 'kept', 'out';
    largest(\%folder);
}

sub following {
    my ($names) = @_;
    my $line = <$names>;
    return unless defined $line;
    chomp $line;
    $line =~ s{(?<=.)/\z}{};
    return $line;
}

sub count {
    my ($sum, $word, $size) = @_;
    $sum->{$word}[0]++;
    $sum->{$word}[1] += $size;
}

my $written = 0;

sub put {
    my ($out, $top) = @_;
    return unless $top;
    return if $written > $TOPS;
    print "stopped tops\n" if $written == $TOPS;
    print $out "$top->[0] $top->[1] ", raw($top->[2]), "\0" if $written++ < $TOPS;
}

# add FOLDERS NAME SIZE PATHS: to each folder around it, down to DEPTH below its path.
sub add {
    my ($folder, $name, $size, $paths) = @_;
    my ($path) = grep { index($name, $_ eq '/' ? '/' : "$_/") == 0 } @$paths or return;
    my $at = $path eq '/' ? 0 : length $path;
    for (1 .. $DEPTH) {
        $at = index $name, '/', $at + 1;
        return if $at < 0;
        my $of = $folder->{ substr $name, 0, $at } ||= [0, 0];
        $of->[0]++;
        $of->[1] += $size;
    }
}

# The largest; not those of which nearly all is in one folder further in.
sub largest {
    my ($folder) = @_;
    my %hollow;
    for my $name (keys %$folder) {
        (my $above = $name) =~ s{/[^/]*\z}{};
        $hollow{$above} = 1
            if $folder->{$above} && $folder->{$name}[1] > 0.9 * $folder->{$above}[1];
    }
    my @by_size = sort { $folder->{$b}[1] <=> $folder->{$a}[1] || $a cmp $b }
        grep { !$hollow{$_} } keys %$folder;
    for my $name (splice @by_size, 0, $FOLDERS) {
        print "folder $folder->{$name}[0] $folder->{$name}[1] ", shown($name), "\n";
    }
}

sub hits {
    my ($tops, $kept, $index) = @_;
    local $/ = "\0";
    open my $every, '<', $tops or die;
    open my $stays, '<', $kept or die;
    my ($entries, $bytes, @samples) = (0, 0);
    my $next = do { local $/ = "\n"; following($stays) };
    while (my $row = <$every>) {
        chomp $row;
        my ($count, $size, $name) = split / /, $row, 3;
        if (defined $next && raw($next) eq $name) {
            $next = do { local $/ = "\n"; following($stays) };
            next;
        }
        $entries += $count;
        $bytes += $size;
        push @samples, $name if @samples < 3;
    }
    print "pattern $index $entries $bytes\n";
    print "sample $index ", shown($_), "\n" for @samples;
}

my $command = shift @ARGV;
my %commands = (names => \&names, merge => \&merge, hits => \&hits);
$commands{$command}->(@ARGV);
