#!/usr/bin/perl
# rows.pl mysql|programs: reads a dump of MariaDB or MySQL while it passes and says what is in it:
#
#   T table rows    a table, by its name as the dump writes it without quotes, bytes that are not
#                   plain as %XX
#   O kind count    how many statements of a kind: table, sequence, view, trigger, routine, event; or
#                   program, which is one of the last three
#   ?               a statement that was not understood: rows are not exact
#   E               last: the dump's own word that it is whole. Without it, it is not.
#
# A string in the rows of these dumps holds no raw line break, so what begins a line there is not
# data. A name and the body of a program may hold any line. Memory does
# not grow with rows. It uses no module: what comes with perl differs by system. members.pl has it in itself;
# of PostgreSQL archive.pl does the same.
package Rows;
use strict;
use warnings;

sub CHUNK ()       { return 1024 * 1024 }
sub SHORT ()       { return 60 }    # bytes
sub INTERRUPTED () { return 4 }
sub SET_PIPE ()    { return 1031 }    # fcntl F_SETPIPE_SZ

my $END_MARK = qr/^-- Dump completed\b/;
my %LINES    = (mysql => \&line_of_mysql, programs => \&line_of_programs);

my ($format, $understand);
my (%rows, @tables, %objects);
my $inside;          # the table whose rows are passing
my $in_string = 0;   # of MySQL: whether a row's string goes on in the next chunk
my $long      = 0;   # 'skip' or 'count': this line is longer than a chunk; what of it is counted
my $unsure    = 0;
my $delimiter = '';    # of the program that is passing
my $before    = '';    # its last line
my $made      = 0;     # whether what makes it has been seen: what follows is its body
my $ended     = 0;

my $buffer = '';

main() if !caller;

sub main {
    begin($ARGV[0]);
    binmode STDIN;
    fcntl STDIN, SET_PIPE, CHUNK;
    while (read_more()) { understand_lines() }
    print said();
    close STDOUT or exit 70;
    exit 0;
}

# begin(FORMAT)
sub begin {
    ($format) = @_;
    $understand = $LINES{ $format || '' } or die "rows.pl mysql|programs\n";
    return;
}

# take(BYTES): the next of the dump.
sub take {
    $buffer .= $_[0];
    understand_lines();
    return;
}

# said: at the end.
sub said {
    $understand->($buffer) if length $buffer && !$long;
    my $ends = $ended && !defined $inside && !$long && !length $delimiter;
    return join '', (map { 'T ' . escaped($_) . " $rows{$_}\n" } @tables),
        (map {"O $_ $objects{$_}\n"} sort keys %objects), ($unsure ? "?\n" : ''), ($ends ? "E\n" : '');
}

sub read_more {
    while (1) {
        my $got = sysread STDIN, $buffer, CHUNK, length $buffer;
        return $got if $got;
        return 0 if defined $got || $! != INTERRUPTED;
    }
}

# understand_lines: all that are whole; of one that does not end, what can be said of it already.
sub understand_lines {
    my $from = 0;
    while (1) {
        $from = pass_rows($from) if defined $inside && !$long;
        my $end = index $buffer, "\n", $from;
        last if $end < 0;
        my $line = substr $buffer, $from, $end - $from;
        if ($long) { end_of_long($line) }
        else       { $understand->($line) }
        $from = $end + 1;
    }
    substr $buffer, 0, $from, '';
    return if length $buffer < 2 * CHUNK && !$long;
    begin_long() if !$long;
    my ($escape) = $buffer =~ /(\\*)\z/;    # what follows it decides what it means
    count_tuples(substr $buffer, 0, length($buffer) - length $escape) if $long eq 'count';
    $buffer = $escape;
    return;
}

# pass_rows(FROM): the rows that begin there, a line each, but for the one that ends them and for what
# is not whole; to count lines is much faster than to look at each. Where the next line begins.
sub pass_rows {
    my ($from) = @_;
    my $end = index $buffer, ";\n", $from;
    my $to = 1 + rindex $buffer, "\n", $end < 0 ? length $buffer : $end - 1;
    return $from if $to <= $from;
    $rows{$inside} += lines(substr $buffer, $from, $to - $from);
    return $to;
}

# lines(TEXT): how many there are. To look for the next end of a line is three times faster than to count
# characters, unless lines are short.
sub lines {
    my ($text) = @_;    # a copy: a part of another text is looked up anew each time
    my $at = index $text, "\n";
    return $text =~ tr/\n// if $at < SHORT;
    my $count = 0;
    while ($at >= 0) {
        $count++;
        $at = index $text, "\n", $at + 1;
    }
    return $count;
}

# begin_long: its beginning is known; the rest is data.
sub begin_long {
    if ($format eq 'mysql' && $buffer =~ /^INSERT INTO/ && insert($buffer)) { $long = 'count' }
    else {
        $understand->(substr($buffer, 0, CHUNK) . ' ');    # no end of a line
        $long = 'skip';
    }
    return;
}

sub end_of_long {
    my ($line) = @_;
    count_tuples($line) if $long eq 'count';
    $inside    = undef if $format eq 'mysql' && $line =~ /;$/;
    $before    = $line;
    $long      = 0;
    $in_string = 0;
    return;
}

# --- MySQL and MariaDB -----------------------------------------------------------------------

# line_of_mysql(LINE): a row that has a line to itself begins it with a parenthesis.
sub line_of_mysql {
    my ($line) = @_;
    if (defined $inside) {
        $rows{$inside}++ if $line =~ /^\(/;
        $inside = undef if $line =~ /;$/;
        return;
    }
    if ($line =~ /^INSERT INTO `/) { insert($line) && rest_of_insert($line) }
    elsif ($line =~ /^INSERT /)       { $unsure = 1 }
    elsif ($line =~ /^CREATE TABLE ((?:`[^`]*`)+) \(/) { table(unquoted($1)); $objects{table}++ }
    elsif ($line =~ /^CREATE TABLE /) { $unsure = 1; $objects{table}++ }    # a name of two lines
    elsif ($line =~ /^CREATE SEQUENCE /)  { $objects{sequence}++ }
    $ended = $line =~ $END_MARK if length $line;
    return;
}

# line_of_programs(LINE): views, triggers, routines and events. What is in a program may look like
# anything; it ends where its delimiter ends a line and the next one sets another.
sub line_of_programs {
    my ($line) = @_;
    if (length $delimiter) {
        line_of_program($line);
        return;
    }
    if    ($line =~ m{^/\*!50001 VIEW }) { $objects{view}++ }
    elsif ($line =~ /^DELIMITER (;;+)$/) { ($delimiter, $before, $made) = ($1, '', 0) }
    $ended = $line =~ $END_MARK if length $line;
    return;
}

sub line_of_program {
    my ($line) = @_;
    if ($line eq 'DELIMITER ;' && $before =~ /\Q$delimiter\E$/) {
        $objects{program}++ if !$made;
        $delimiter = '';
    }
    elsif (!$made && $line =~ m{^(?:/\*!\d+ )?CREATE\b}) {
        $objects{ kind_of_program($line) }++;
        $made = 1;
    }
    $before = $line;
    return;
}

# kind_of_program(LINE): by the word after whose it is, who may be called anything.
sub kind_of_program {
    my ($line) = @_;
    my $whose = qr/DEFINER=(?:`[^`]*`)+(?:\@(?:`[^`]*`)+)?/;
    my $comment = qr{/\*!\d+ };
    return 'program'
        if $line !~ m{^$comment?CREATE(?:\*/)? +(?:$comment?$whose ?(?:\*/)? *)?$comment?(?:AGGREGATE +)?(\w+)}i;
    my $word = lc $1;
    return $word if $word eq 'trigger' || $word eq 'event';
    return $word =~ /^(?:procedure|function|package)$/ ? 'routine' : 'program';
}

# insert(LINE): which table; the line is left with what follows VALUES.
sub insert {
    if ($_[0] !~ s/^INSERT INTO ((?:`[^`]*`)+)(?: \((?:`[^`]*`|[^`()])*\))? VALUES ?//) {
        $unsure = 1;
        return 0;
    }
    $inside = unquoted($1);
    table($inside);
    return 1;
}

sub rest_of_insert {
    my ($rest) = @_;
    count_tuples($rest);
    $in_string = 0;
    $inside = undef if $rest =~ /;$/;
    return;
}

# count_tuples(TEXT): parentheses that are in no string; values are numbers, words and strings. First
# what is escaped goes, so that a quote is the end of a string. (One expression for a whole string
# would meet perl's limit of 65,534 repetitions of a group, and count wrong.)
sub count_tuples {
    my ($text) = @_;
    $text =~ s/\\.//gs;
    if ($in_string) {
        return if $text !~ s/^[^']*'//;
        $in_string = 0;
    }
    $text =~ s/'[^']*'//g;
    $in_string = 1 if $text =~ s/'.*//s;
    $rows{$inside} += $text =~ tr/(//;
    return;
}

sub unquoted {
    my ($name) = @_;
    $name =~ s/^`|`$//g;
    $name =~ s/``/`/g;
    return $name;
}

sub table {
    my ($name) = @_;
    return if exists $rows{$name};
    push @tables, $name;
    $rows{$name} = 0;
    return;
}

sub escaped {
    my ($name) = @_;
    $name =~ s{([^A-Za-z0-9._/~+,\@=-])}{sprintf '%%%02X', ord $1}ge;
    return $name;
}

1;
