#!/usr/bin/perl
# database_lines.pl NAME NEW <SQL: of what `pg_restore --create` says of a database and of nothing in it:
# how it was made and what was set for it.
#
#   C options   of CREATE DATABASE: encoding and locale, words and plain texts only
#   S hex       a statement that sets something for the database NAME, for the database NEW, in hexadecimal
#   ?           a statement was left out, since it is not one line
#
# It uses no module.
use strict;
use warnings;

my ($name, $new) = @ARGV;
my $old = quoted($name);
$old = $name =~ /^[a-z_][a-z0-9_]*\z/ ? qr/(?:\Q$old\E|\Q$name\E)/ : qr/\Q$old\E/;
$new = quoted($new);
my $unsure = 0;

while (my $line = <STDIN>) {
    chomp $line;
    if ($line =~ /^CREATE DATABASE $old WITH (.*);$/) { print 'C ', join(' ', options($1)), "\n" }
    elsif ($line =~ /^(ALTER DATABASE|ALTER ROLE .+ IN DATABASE|COMMENT ON DATABASE|(?:GRANT|REVOKE) .+ ON DATABASE) $old (.*)/) {
        my ($verb, $rest) = ($1, $2);
        if ($rest =~ /;\z/) { print 'S ', unpack('H*', "$verb $new $rest"), "\n" }
        else                { $unsure = 1 }
    }
}
print "?\n" if $unsure;
exit 0;

# options(TEXT): those that a database of another server can have, too, and of plain characters.
sub options {
    my ($text) = @_;
    my @found;
    while ($text =~ /\b(ENCODING|LOCALE_PROVIDER|LOCALE|LC_COLLATE|LC_CTYPE|ICU_LOCALE|BUILTIN_LOCALE) = ('[A-Za-z0-9_.\@=-]*'|[a-z]+)/g) {
        push @found, "$1 = $2";
    }
    return @found;
}

sub quoted {
    my ($text) = @_;
    $text =~ s/"/""/g;
    return qq{"$text"};
}
