#!/usr/bin/perl
# grants.pl NAME…: of the answer to SHOW GRANTS, which rights to whole databases are missing that a
# dump needs, or of RIGHTS=A,B in the environment. Without SELECT on all of it tables are left out,
# without TRIGGER triggers, and neither the tool nor its status says so. Prints `NUMBER PRIVILEGE,
# PRIVILEGE…` for each NAME that lacks some, counted from 0. A right to a table is none to its database.
# Of several names that stand for a database the server takes the most specific one, and that one alone.
# It uses no module.
use strict;
use warnings;

my @NEEDED = split /,/, $ENV{RIGHTS} || 'SELECT,SHOW VIEW,TRIGGER,EVENT';
my $QUOTED = qr/(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|"(?:[^"]|"")*")/;

my $RIGHT  = qr/[A-Z_]+(?: [A-Z_]+)*/;

my %ESCAPED = (n => "\n", t => "\t", 0 => "\0", '\\' => '\\');

my (@given, @taken);    # [privileges, pattern of names, how specific it is, whose]
while (my $line = <STDIN>) {
    chomp $line;
    $line =~ s/\\([nt0\\])/$ESCAPED{$1}/g;    # as the client writes what would end a row
    next if $line !~ /^(GRANT|REVOKE) ($RIGHT(?:, ?$RIGHT)*) ON (?:(\*)|($QUOTED))\.\* (?:TO|FROM) (.+)/;
    my ($verb, $everywhere, $name, $whose) = ($1, $3, $4, $5);
    my $rights = { map { $_ => 1 } split /, ?/, $2 };
    $whose =~ s/ WITH GRANT OPTION$//;
    my $row = $everywhere ? [$rights] : [$rights, pattern($name), literal($name), $whose];
    push @{ $verb eq 'GRANT' ? \@given : \@taken }, $row;
}
for my $number (0 .. $#ARGV) {
    my @missing = grep { !has($_, $ARGV[$number]) } @NEEDED;
    print "$number ", join(', ', @missing), "\n" if @missing;
}
exit 0;

sub has {
    my ($right, $name) = @_;
    return 0 if grep { gives($_, $right) && fits($_, $name) } @taken;    # MySQL's partial revokes
    return 1 if grep { !$_->[1] && gives($_, $right) } @given;
    my %best;                                                            # by whose it is
    for my $row (grep { $_->[1] && fits($_, $name) } @given) {
        my $rows = $best{ $row->[3] } ||= [];
        @{$rows} = () if @{$rows} && $rows->[0][2] < $row->[2];
        push @{$rows}, $row if !@{$rows} || $rows->[0][2] == $row->[2];
    }
    # Of two that are as specific as each other nobody knows which one the server takes.
    return scalar grep {
        !grep { !gives($_, $right) } @{$_}
    } values %best;
}

sub gives {
    my ($row, $right) = @_;
    return $row->[0]{$right} || $row->[0]{'ALL PRIVILEGES'};
}

sub fits {
    my ($row, $name) = @_;
    return !$row->[1] || $name =~ $row->[1];
}

# literal(QUOTED): how many characters stand before the first that stands for others.
sub literal {
    my ($name) = @_;
    $name = substr $name, 1, -1;
    $name =~ /^((?:\\.|[^\\%_])*)/s;
    return length $1 == length $name ? 1e9 : length $1;
}

# pattern(QUOTED): % is anything and _ one character, unless a backslash stands before it.
sub pattern {
    my ($name) = @_;
    my $mark = chop $name;
    $name = substr $name, 1;
    $name =~ s/$mark$mark/$mark/g;
    my $pattern = '';
    while ($name =~ /\G(?:\\((?s:.))|(%)|(_)|((?s:.)))/g) {
        $pattern .= defined $1 ? quotemeta $1 : $2 ? '.*' : $3 ? '(?:[\x80-\xff]+|.)' : quotemeta $4;
    }
    return qr/^$pattern\z/s;
}
