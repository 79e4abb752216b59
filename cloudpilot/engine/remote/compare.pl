#!/usr/bin/perl
# compare.pl mysql|postgresql|postgresql_over CENSUS <COUNTS: whether what was imported is what the archive says
# it holds; _over what was there, of which more may be left.
# compare.pl list CENSUS KEY: the value of KEY, or each of a list, a line; words in hexadecimal.
#
# CENSUS is census.json, see census.pl. COUNTS has a line `KIND NUMBER` for each kind of object, and for
# each table `R HEX ROWS`, with - for ROWS that cannot be compared. Prints a sentence and exits with 1 if
# something is missing or differs. Counts of rows that are an estimate are not compared. It uses no module.
use strict;
use warnings;

my @KINDS = qw(tables views routines triggers sequences);
my %EXACT = (mysql => [], postgresql => \@KINDS, postgresql_over => []);
my %LEAST = (mysql => [qw(sequences)], postgresql => [], postgresql_over => \@KINDS);
my %ESCAPE = (n => "\n", t => "\t", r => "\r", b => "\b", f => "\f");

my ($family, $file, $key) = @ARGV;
open my $handle, '<:raw', $file or die "No census: $!\n";
my $text = do { local $/ = undef; <$handle> };
my $census = value();
ref $census eq 'HASH' or die "This is no census.\n";
if ($family eq 'list') {
    my $found = $census->{$key};
    my @words = !defined $found ? () : ref $found eq 'ARRAY' ? @{$found} : ($found);
    print map { /^[0-9]+\z/ ? "$_\n" : unpack('H*', $_) . "\n" } @words;
    exit 0;
}
my (%count, %rows);
while (my $line = <STDIN>) {
    if    ($line =~ /^R\s(\S+)\s(\d+|-)$/) { $rows{ as_in_json(pack 'H*', $1) } = $2 }
    elsif ($line =~ /^(\w+)\s(\d+)$/)      { $count{$1} = $2 }
}
my @wrong = (objects(), $census->{exact} ? tables() : ());
print join('; ', @wrong > 5 ? (@wrong[0 .. 4], 'and more') : @wrong), ".\n" if @wrong;
exit(@wrong ? 1 : 0);

sub objects {
    my @found;
    for my $kind (@{ $EXACT{$family} }, @{ $LEAST{$family} }) {
        my ($is, $should) = ($count{$kind} || 0, $census->{$kind} || 0);
        my $least = grep { $_ eq $kind } @{ $LEAST{$family} };
        push @found, "$is $kind in place of $should" if $is < $should || (!$least && $is != $should);
    }
    return @found;
}

# tables: of the dump, by name, with their rows.
sub tables {
    my @found;
    my %listed = map { $_->[0] => $_->[1] } @{ $census->{rows_by_table} || [] };
    for my $table (sort keys %listed) {
        my $is = $rows{$table};
        if    (!defined $is) { push @found, 'no table ' . shown($table) }
        elsif ($is ne '-' && $is != $listed{$table}) {
            push @found, shown($table) . " has $is rows in place of $listed{$table}";
        }
    }
    if ($family eq 'mysql') {
        push @found, map { 'a table ' . shown($_) . ' that it does not name' } grep { !exists $listed{$_} } sort keys %rows;
    }
    return @found;
}

sub shown {
    my ($name) = @_;
    $name =~ s/([\x00-\x1f\x7f])/sprintf '\\x%02x', ord $1/ge;
    return $name;
}

# as_in_json(BYTES): as census.pl writes what is not UTF-8.
sub as_in_json {
    my ($name) = @_;
    my $copy = $name;
    if (!utf8::decode($copy)) { $name =~ s/([\x80-\xff])/sprintf '\\x%02x', ord $1/ge }
    return $name;
}

# --- JSON, as bytes; at $text's pos --------------------------------------------------------------

sub value {
    $text =~ /\G\s+/gc;
    if ($text =~ /\G\{/gc) { return { pairs() } }
    if ($text =~ /\G\[/gc) { return [items()] }
    if ($text =~ /\G"((?:[^"\\]|\\.)*+)"/gcs) { return plain($1) }
    if ($text =~ /\G(-?\d+(?:\.\d+)?)/gc)     { return $1 }
    if ($text =~ /\G(true|false|null)/gc)     { return $1 eq 'true' ? 1 : 0 }
    die "This is no census.\n";
}

sub items {
    my @found;
    until ($text =~ /\G\s*\]/gc) {
        push @found, value();
        $text =~ /\G\s*,/gc;
    }
    return @found;
}

sub pairs {
    my @found;
    until ($text =~ /\G\s*\}/gc) {
        push @found, scalar value();
        $text =~ /\G\s*:/gc or die "This is no census.\n";
        push @found, scalar value();
        $text =~ /\G\s*,/gc;
    }
    return @found;
}

sub plain {
    my ($string) = @_;
    $string =~ s{\\(?:u([0-9a-fA-F]{4})|(.))}{defined $1 ? bytes_of(hex $1) : defined $ESCAPE{$2} ? $ESCAPE{$2} : $2}gse;
    return $string;
}

sub bytes_of {
    my $char = chr $_[0];
    utf8::encode($char);
    return $char;
}
