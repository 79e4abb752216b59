#!/usr/bin/perl
# events.pl: from what `mariadb --batch` answers to SHOW CREATE EVENT, a line each, the statements that make
# the events again, as mariadb-dump and mysqldump write them. The text of an event is bytes of the character
# set that it was made with. It uses no module: what comes with perl differs by system.
use strict;
use warnings;

my %ESCAPED = (n => "\n", t => "\t", 0 => "\0", '\\' => '\\');
my @SAVED   = (
    [sql_mode => 'sql_mode'],
    [time_zone => 'time_zone'],
    [saved_cs_client => 'character_set_client'],
    [saved_cs_results => 'character_set_results'],
    [saved_collation => 'collation_connection'],
);

while (my $line = <STDIN>) {
    chomp $line;
    my ($name, $mode, $zone, $text, $charset, $collation) =
        map { s/\\([nt0\\])/$ESCAPED{$1}/gr } split /\t/, $line, -1;
    die "SHOW CREATE EVENT has answered something else.\n" if !defined $collation || $text !~ /^CREATE /;
    print "\n/*!50106 DROP EVENT IF EXISTS ", quoted($name), " */;\n";
    my $end = delimiter($text);
    print "DELIMITER $end\n";
    print "SET \@cloudpilot_$_->[0] = \@\@$_->[1] $end\n" for @SAVED;
    print "SET sql_mode = '$mode' $end\nSET time_zone = '$zone' $end\n";
    print "SET character_set_client = $charset $end\nSET character_set_results = $charset $end\n";
    print "SET collation_connection = $collation $end\n";
    print "$text $end\n";
    print "SET $_->[1] = \@cloudpilot_$_->[0] $end\n" for @SAVED;
    print "DELIMITER ;\n";
}
close STDOUT or exit 70;
exit 0;

sub quoted {
    my ($name) = @_;
    $name =~ s/`/``/g;
    return "`$name`";
}

# delimiter(TEXT): one that it does not hold.
sub delimiter {
    my ($text) = @_;
    my $delimiter = ';;';
    $delimiter .= ';' while index($text, $delimiter) >= 0;
    return $delimiter;
}
