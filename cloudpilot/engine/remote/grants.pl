#!/usr/bin/perl
# grants.pl NAME…: of the answer to SHOW GRANTS, which rights to whole databases are missing that a
# dump needs. Without SELECT on all of it tables are left out, without TRIGGER triggers, and neither
# the tool nor its status says so. Prints `NUMBER PRIVILEGE, PRIVILEGE…` for each NAME that lacks
# some, counted from 0. A right to a table is none to its database. It uses no module.
use strict;
use warnings;

my @NEEDED = ('SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT');
my $QUOTED = qr/(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|"(?:[^"]|"")*")/;

my (@given, @taken);    # [privileges, pattern of names]
while (my $line = <STDIN>) {
    next if $line !~ /^(GRANT|REVOKE) (.+?) ON (?:(\*)|($QUOTED))\.\* (?:TO|FROM) /;
    my $rights = { map { $_ => 1 } split /, /, $2 };
    push @{ $1 eq 'GRANT' ? \@given : \@taken }, [$rights, $3 ? qr/^.*$/s : pattern($4)];
}
for my $number (0 .. $#ARGV) {
    my @missing = grep { !has($_, $ARGV[$number]) } @NEEDED;
    print "$number ", join(', ', @missing), "\n" if @missing;
}
exit 0;

sub has {
    my ($right, $name) = @_;
    return 0 if among(\@taken, $right, $name);    # MySQL's partial revokes
    return among(\@given, $right, $name);
}

sub among {
    my ($rows, $right, $name) = @_;
    return scalar grep { ($_->[0]{$right} || $_->[0]{'ALL PRIVILEGES'}) && $name =~ $_->[1] } @{$rows};
}

# pattern(QUOTED): % is anything and _ one character, unless a backslash stands before it.
sub pattern {
    my ($name) = @_;
    my $mark = chop $name;
    $name = substr $name, 1;
    $name =~ s/$mark$mark/$mark/g;
    my $pattern = '';
    while ($name =~ /\G(?:\\([%_\\])|(%)|(_)|((?s:.)))/g) {
        $pattern .= defined $1 ? quotemeta $1 : $2 ? '.*' : $3 ? '(?:[\x80-\xff]+|.)' : quotemeta $4;
    }
    return qr/^$pattern\z/s;
}
