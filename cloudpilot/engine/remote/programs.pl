#!/usr/bin/perl
# programs.pl FROM TO all|no-events keep|strip COUNTS <PROGRAMS: programs.sql of an archive, for the database TO.
#
# The tools write the name of the database, FROM, only where a program was made under another collation.
# With no-events its events are left out: beside the database they would run, too. With strip whoever
# imports becomes the definer of all. The file COUNTS gets
#
#   O kind count    how many there are: view, event, program (a trigger or a routine)
#   E               last: the tool's own word that this is whole
#
# What is in the body of a program may look like anything, so statements end here where they end for the
# client: at a delimiter that is in no text, name or comment. It uses no module.
use strict;
use warnings;

my $NAME    = qr/(?:(?:`[^`]*`)+|(?:"[^"]*")+)/;
my $DEFINER = qr/DEFINER ?= ?$NAME(?:\@$NAME)?/;
my $CREATE  = qr{CREATE(?: OR REPLACE)?(?: AGGREGATE)?(?:\*/ /\*!5\d{4})?};

my ($from, $to, $which, $definers, $counts) = @ARGV;
$_ = '`' . s/`/``/gr . '`' for $from, $to;
my %count     = (view => 0, event => 0, program => 0);
my $delimiter = ';';
my $escapes   = 1;      # whether a backslash is an escape, as the last sql_mode has it
my $statement = '';     # so far
my $within    = '';     # the quote or the comment in which its last line ended
my $ended     = 0;

while (my $line = <STDIN>) { pass($line) }
die "A statement has no end.\n" if length $statement;
open my $told, '>', $counts or exit 71;
print {$told} map({"O $_ $count{$_}\n"} sort keys %count), $ended ? "E\n" : '' or exit 71;
close $told or exit 71;
close STDOUT or exit 71;
exit 0;

# pass(LINE): what stands between statements goes as it is.
sub pass {
    my ($line) = @_;
    if (!length $statement) {
        $delimiter = $1 if $line =~ /^DELIMITER (;+)$/;
        $ended     = $line =~ /^-- Dump completed/ if $line =~ /^-- \S/;
        if ($line =~ /^(?:DELIMITER ;+$|--|\s*$)/) { put($line); return }
    }
    $ended = 0;
    $statement .= $line;
    take() if ends($line);
    return;
}

# ends(LINE): whether the statement does.
sub ends {
    my ($line) = @_;
    pos $line = 0;
    while (pos $line < length $line) {
        if (length $within) { leave($line) or return 0 }
        elsif ($line =~ /\G\Q$delimiter\E\s*\z/gc)    { return 1 }
        elsif ($line =~ /\G(?:--\s|#)/gc)             { return 0 }
        elsif ($line =~ m{\G/\*(?!M?!)}gc)            { $within = '*/' }
        elsif ($line =~ /\G(['"`])/gc)                { $within = $1 }
        else                                          { $line =~ /\G(?:[^'"`\/#;-]+|.)/gcs }
    }
    return 0;
}

# leave(LINE): goes to the end of the text, name or comment; false if the line has none.
sub leave {
    my $escaped = $escapes && $within =~ /^['"]$/;
    my $inside  = $escaped ? qr/(?:[^\\\Q$within\E]|\\.)*+/s : qr/(?:(?!\Q$within\E).)*+/s;
    $_[0] =~ /\G$inside/gc;
    if ($_[0] =~ /\G\Q$within\E/gc) { $within = ''; return 1 }
    return 0;
}

sub take {
    if ($statement =~ m{^/\*!\d+ SET sql_mode\s*= '([^']*)'}) { $escapes = $1 !~ /NO_BACKSLASH_ESCAPES/ }
    my $kind = kind();
    $count{$kind}++ if $kind;
    if (!$kind || $kind ne 'event' || $which eq 'all') { put($statement) }
    $statement = '';
    return;
}

# kind(): what the statement makes, changed as it is wanted.
sub kind {
    if ($statement =~ m{^/\*!50001 CREATE ALGORITHM=\w+ \*/\n/\*!50013 $DEFINER SQL SECURITY \w+ \*/\n/\*!50001 VIEW }) {
        $statement =~ s{/\*!50013 $DEFINER }{/*!50013 } if $definers eq 'strip';
        return 'view';
    }
    if ($statement =~ m{^(?:/\*!5\d{4} )?$CREATE(?: |\*/)\s*(?:/\*!5\d{4} )?(?:$DEFINER|TRIGGER|PROCEDURE|FUNCTION|EVENT|PACKAGE)}i) {
        $statement =~ s{^((?:/\*!5\d{4} )?$CREATE) $DEFINER}{$1} if $definers eq 'strip';
        return $statement =~ m{^/\*!50106 CREATE} ? 'event' : 'program';
    }
    $statement =~ s/^ALTER DATABASE \Q$from\E (CHARACTER SET \w+ COLLATE \w+ ;+)$/ALTER DATABASE $to $1/;
    return '';
}

sub put {
    print $_[0] or exit 71;
    return;
}
