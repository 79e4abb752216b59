#!/usr/bin/perl
# census.pl NUMBER: what is in a dump, as JSON for who restores it, and into work/census for the panel.
#
# work/about holds KEY VALUE, each ended by a NUL, a key more than once for a list; work/rows is what
# rows.pl has said of its tables. work/census gets, bytes that are not plain as %XX:
#
#   D number        a database begins
#   V key value     the last two are `rows`, of all tables, and `listed`, how many lines T there are;
#                   of a list the first hundred
#   T number table rows    the one with the most rows first: the panel may not be told of all
#
# It uses no module: what comes with perl differs by system.
use strict;
use warnings;

my %LIST   = map { $_ => 1 } qw(definer extension role);
sub LISTED () { return 100 }    # of a list, for the panel, which keeps no more
my %NUMBER = map { $_ => 1 } qw(bytes tables views routines triggers events sequences);

my ($number) = @ARGV;
my (%about, @keys, @tables);
my $rows = 0;
open my $census, '>>', 'work/census' or stop();
print {$census} "D $number\n" or stop();
for my $said (split /\0/, contents('work/about')) {
    my ($key, $value) = split / /, $said, 2;
    push @keys, $key if !$about{$key};
    push @{ $about{$key} }, $value;
    next if @{ $about{$key} } > LISTED;
    print {$census} "V $key ", escaped($value), "\n" or stop();
}
for my $line (split /\n/, contents('work/rows')) {
    my ($table, $count) = $line =~ /^T (\S*) (\d+)$/ or next;
    push @tables, [unescaped($table), $count, $table];
    $rows += $count;
}
for my $table (sort { $b->[1] <=> $a->[1] || $a->[2] cmp $b->[2] } @tables) {
    print {$census} "T $number $table->[2] $table->[1]\n" or stop();
}
print {$census} "V rows $rows\nV listed ", scalar @tables, "\n" or stop();
close $census or stop();
my $fields = join ', ', (map { string($_) . ': ' . value($_) } @keys), qq{"rows": $rows};
my $by_table = join ",\n  ", map { '[' . string($_->[0]) . ", $_->[1]]" } @tables;
print "{$fields,\n \"rows_by_table\": [\n  $by_table]}\n" or stop();
close STDOUT or stop();
exit 0;

sub value {
    my ($key) = @_;
    my @values = @{ $about{$key} };
    return '[' . join(', ', map { string($_) } @values) . ']' if $LIST{$key};
    return $values[0] ? 'true' : 'false' if $key eq 'exact';
    return $NUMBER{$key} ? $values[0] + 0 : string($values[0]);
}

# string(BYTES): of JSON, which has characters only: what is none is written as \xNN.
sub string {
    my ($text) = @_;
    if (!utf8::decode($text)) { $text =~ s/([\x80-\xff])/sprintf '\\x%02x', ord $1/ge }
    $text =~ s/(["\\])/\\$1/g;
    $text =~ s/([\x00-\x1f\x7f])/sprintf '\\u%04x', ord $1/ge;
    utf8::encode($text);
    return qq{"$text"};
}

sub escaped {
    my ($name) = @_;
    $name =~ s{([^A-Za-z0-9._/~+,\@=-])}{sprintf '%%%02X', ord $1}ge;
    return $name;
}

sub unescaped {
    my ($name) = @_;
    $name =~ s/%([0-9A-F]{2})/chr hex $1/ge;
    return $name;
}

sub contents {
    my ($name) = @_;
    open my $handle, '<:raw', $name or stop();
    local $/ = undef;
    my $text = <$handle>;
    return defined $text ? $text : '';
}

sub stop {
    print {*STDERR} "Cannot write: $!\n";
    exit 70;
}
