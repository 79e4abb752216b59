#!/usr/bin/perl
# pack.pl TAR_BYTES DUMP_BYTES JOBS RECEIVED TIERS COMPRESSOR…: packs a tar stream while it passes. Of
# TAR_BYTES, what the files will take, we are sure; of DUMP_BYTES, what is before them, we are not.
# RECEIVED and TIERS are empty unless the archive is streamed; see stream.pl.
#
# From standard input, a tar. To work/archive and, for the hash, to standard output: the same tar
# with manifest.json before it and result.json after it, cut into pieces of 32 MiB that are
# compressed side by side, each a gzip or zstd stream of its own. Any tool reads them as one file;
# who knows where a piece begins can read that piece alone, and work/index says so. Its lines:
#
#   V 1                                                      the version of these lines
#   M number tar_offset tar_size packed_offset packed_size   a piece
#   F type tar_start tar_end size path [link]                an entry, its headers included
#   A mode modified                                          of that entry: octal, seconds since 1970
#   E tar_bytes packed_bytes                                 the end: without it, it is not whole
#
# path and link are as in the tar; bytes that are not plain are %XX. docs/archive-format.md
#
# work/renamed is made if an increment says that a folder has got another name.
#
# work/paths names what the tar must have, each path ended by a NUL; in the same way work/unpacked
# gets those that never came, and work/left_out the mount points of which only the empty folder did.
# work/counts gets what result.json holds.
#
# It uses no module: what comes with perl differs by system.
use strict;
use warnings;

sub PIECE ()      { return 32 * 1024 * 1024 }    # bytes of tar
sub CHUNK ()      { return 1024 * 1024 }
sub SAID_EVERY () { return 8 * 1024 * 1024 }     # bytes, between two words on progress
sub HEADER_MAX () { return 64 * 1024 * 1024 }    # no name or attribute is longer
sub SET_PIPE ()   { return 1031 }                # fcntl F_SETPIPE_SZ: fewer turns for the same bytes

# What Linux calls these errors, and how we end.
sub INTERRUPTED ()  { return 4 }
sub NO_SPACE ()     { return 28 }
sub NO_QUOTA ()     { return 122 }
sub FAILED ()       { return 70 }
sub DISK_FULL ()    { return 71 }
sub OVER_QUOTA ()   { return 72 }
sub KILLED ()       { return 76 }

BEGIN {
    my ($here) = $0 =~ m{^(.*/)};    # `require` looks elsewhere unless it is told so
    $here = defined $here ? $here =~ m{^/} ? $here : "./$here" : './';
    require "${here}entry.pl";
    require "${here}stream.pl";
}

my %COUNTED_AS = (0 => 'files', 7 => 'files', S => 'files', 5 => 'directories', D => 'directories',
    1 => 'hardlinks', 2 => 'symlinks');

my ($tar_bytes, $dump_bytes, $jobs, $received, $tiers, @compressor) = @ARGV;
my $expected = $tar_bytes + $dump_bytes;
my $stage    = 'archive';
my ($archive, $index);                  # handles
my $buffer  = '';                       # of the tar: what is not yet being compressed
my $base    = 0;                        # offset in the tar of the buffer's first byte
my $seen    = 0;                        # bytes of the buffer that have been understood
my $skip    = 0;                        # bytes of content still to pass, unread
my $entry;                              # the entry that this content belongs to
my $started;                            # where its first header began, if that is behind us
my (%extended, %global);                # what headers said of the entry that follows, of all
my $ended = 0;                          # whether the end of the tar was seen
my ($pieces, $packed) = (0, 0);
my @running;                            # the pieces being compressed, oldest first
my %count  = (entries => 0, map { $_ => 0 } values %COUNTED_AS, 'others');
my %mounts = mount_points();
my %wanted = map { member_name($_) => $_ } split /\0/, contents('work/paths');
my @said = (0, 0);                      # when progress was last written, and at which byte

exit main();

sub main {
    $SIG{PIPE} = 'IGNORE';
    binmode STDIN;
    fcntl STDIN, SET_PIPE, CHUNK;
    stream_to($received, $tiers);
    $archive = create('work/archive');
    $index   = create('work/index');
    say_to_index("V 1\n");
    take(own_entry('manifest.json', contents('manifest.json')));
    while (my $got = read_more()) {
        understand();
        compress(PIECE) while $seen >= PIECE;
        progress();
    }
    stop_with(FAILED, 'The tar ends too early.') if !$ended;
    finish();
    return 0;
}

# finish: the last entry, the two empty blocks, the last pieces, and the last lines.
sub finish {
    take(own_entry('result.json', result()));
    $buffer .= "\0" x (2 * BLOCK);
    compress(length $buffer);
    settle() while @running;
    say_to_index("E $base $packed\n");
    $count{members}     = $pieces;
    $count{tar_size}    = $base;
    $count{packed_size} = $packed;
    write_all(create('work/unpacked'), join '', map {"$_\0"} sort values %wanted);
    my $counts = create('work/counts');
    write_all($counts, join '', map {"$_=$count{$_}\n"} sort keys %count);
    close $_ or stop_with(FAILED, "Cannot write: $!") for $counts, $index, $archive, *STDOUT;
    return;
}

# --- reading the tar -------------------------------------------------------------------------

# read_more: up to the end of a piece, so that little follows it in the buffer.
sub read_more {
    my $missing = PIECE - length($buffer) % PIECE;
    my $most    = $missing < CHUNK ? $missing : CHUNK;
    while (1) {
        my $got = sysread STDIN, $buffer, $most, length $buffer;
        return $got if defined $got;
        stop_with(FAILED, "Cannot read the tar: $!") if $! != INTERRUPTED;
    }
}

# take(BYTES): an entry of our own joins the tar.
sub take {
    my ($bytes) = @_;
    $buffer .= $bytes;
    $ended = 0;
    understand();
    return;
}

# understand: goes through the headers in the buffer; the content between them is passed over.
sub understand {
    while (!$ended) {
        if ($skip) {
            my $there = length($buffer) - $seen;
            my $step  = $skip < $there ? $skip : $there;
            $seen += $step;
            $skip -= $step;
            return if $skip;
        }
        end_entry() if $entry;
        return if length($buffer) - $seen < BLOCK;
        header(substr $buffer, $seen, BLOCK) or return;
    }
    after_end();
    return;
}

# header(BLOCK): false if more has to be read first.
sub header {
    my ($block) = @_;
    if ($block !~ /[^\0]/) {
        $ended = 1;
        return 1;
    }
    my $type = substr $block, 156, 1;
    my $size = number(substr $block, 124, 12);
    stop_with(FAILED, 'The tar has a damaged header.') if checksum($block) != number(substr $block, 148, 8);
    return long_header($type, $size) if $type =~ /[LKxg]/;
    $type = '0' if $type eq "\0";
    my $blocks = $type eq 'S' ? old_sparse_blocks($block) : 1;
    return 0 if !$blocks;
    begin_entry($type, $size, $block);
    $seen += $blocks * BLOCK;
    return 1;
}

# long_header(TYPE, SIZE): names and attributes too long for the header that follows.
sub long_header {
    my ($type, $size) = @_;
    stop_with(FAILED, 'The tar has a header of ' . $size . ' bytes.') if $size > HEADER_MAX;
    my $whole = BLOCK + padded($size);
    return 0 if length($buffer) - $seen < $whole;
    my $text = substr $buffer, $seen + BLOCK, $size;
    if ($type eq 'x' && $text =~ m{\bGNU\.dumpdir=}) { ($text, $whole) = as_members($text, $whole) }
    $started = $base + $seen if $type ne 'g' && !defined $started;
    $seen += $whole;
    if    ($type eq 'L') { $extended{path}     = up_to_nul($text) }
    elsif ($type eq 'K') { $extended{linkpath} = up_to_nul($text) }
    else                 { records($text, $type eq 'g' ? \%global : \%extended) }
    return 1;
}

# records(TEXT, INTO): lines of LENGTH KEY=VALUE; a value may hold anything, newlines too.
sub records {
    my ($text, $into) = @_;
    my $at = 0;
    while (substr($text, $at, 20) =~ /^(\d+) /) {
        my $record = substr $text, $at + length($1) + 1, $1 - length($1) - 2;
        my ($key, $value) = split /=/, $record, 2;
        $into->{$key} = $value;
        $at += $1;
    }
    return;
}

# as_members(TEXT, WHOLE): an increment lists what each folder held, and which folders have got another
# name: whole names, that are to be found where members are. The records are replaced in the buffer;
# both come back as they are now.
sub as_members {
    my ($text, $whole) = @_;
    my ($records, $at) = ('', 0);
    while (substr($text, $at, 20) =~ /^(\d+) /) {
        my ($key, $value) = split /=/, substr($text, $at + length($1) + 1, $1 - length($1) - 2), 2;
        $at += $1;
        note_renamed() if $key eq 'GNU.dumpdir' && $value =~ s{(^|\0)([XRT])/}{$1$2files/}g;
        $records .= record($key, $value);
    }
    my $block = substr $buffer, $seen, BLOCK;
    substr $block, 124, 12, octal(length $records, 11) . ' ';
    substr $block, 148, 8, octal(checksum($block), 6) . "\0 ";
    my $now = $block . $records . "\0" x (padded(length $records) - length $records);
    substr $buffer, $seen, $whole, $now;
    return ($records, length $now);
}

# note_renamed: it happened while tar was at it, see chain.sh.
sub note_renamed {
    close create('work/renamed') or stop_full('Cannot write');
    return;
}

# record(KEY, VALUE): its length counts itself.
sub record {
    my ($key, $value) = @_;
    my $size   = length(" $key=$value\n");
    my $digits = length($size);
    $digits++ while length($size + $digits) > $digits;
    return $size + $digits . " $key=$value\n";
}

# old_sparse_blocks(BLOCK): how many blocks the header of GNU's old sparse format has; 0: read on.
sub old_sparse_blocks {
    my ($block) = @_;
    my $blocks  = 1;
    my $more    = ord substr $block, 482, 1;
    while ($more) {
        my $at = $seen + $blocks * BLOCK;
        return 0 if length($buffer) - $at < BLOCK;
        $more = ord substr $buffer, $at + 504, 1;
        $blocks++;
    }
    return $blocks;
}

sub begin_entry {
    my ($type, $size, $block) = @_;
    my %said = (%global, %extended);
    $size = $said{size} if defined $said{size};
    $entry = {
        type => $type,
        from => defined $started ? $started : $base + $seen,
        size => real_size($type, $size, $block, \%said),
        path => first_of($said{'GNU.sparse.name'}, $said{path}, short_name($block)),
        link => first_of($said{linkpath}, up_to_nul(substr $block, 157, 100)),
        mode => number(substr $block, 100, 8),
        time => first_of($said{mtime}, number(substr $block, 136, 12)),
    };
    at_stage($entry->{path}, $entry->{from});
    $skip     = $type =~ /[1-6]/ ? 0 : padded($size);
    $started  = undef;
    %extended = ();
    return;
}

# at_stage(PATH, FROM): from the first file on we know what is still to come.
sub at_stage {
    my ($path, $from) = @_;
    if ($path =~ m{^databases/}) { $stage = 'dump' }
    elsif ($stage eq 'dump' && $path =~ m{^files(?:/|\z)}) {
        $stage    = 'archive';
        $expected = $from + $tar_bytes;
    }
    return;
}

# end_entry: its last byte has passed.
sub end_entry {
    my @words = ('F', $entry->{type}, $entry->{from}, $base + $seen, $entry->{size}, escaped($entry->{path}));
    push @words, escaped($entry->{link}) if length $entry->{link};
    my ($seconds) = $entry->{time} =~ /^(-?[0-9]{1,15})/;
    say_to_index(join(' ', @words) . sprintf "\nA %o %s\n", $entry->{mode} & 07777, first_of($seconds, 0));
    if ($entry->{path} =~ m{^files(?:/|\z)}) {
        $count{entries}++;
        $count{ $COUNTED_AS{ $entry->{type} } || 'others' }++;
        left_out($entry->{path}) if $entry->{type} eq '5';
        delete $wanted{ member_name($entry->{path}) } if %wanted;
    }
    $entry = undef;
    return;
}

# member_name(PATH): what a path, or a folder's member, is called without slashes around it.
sub member_name {
    my ($path) = @_;
    $path =~ s{/+\z}{};
    return $path =~ m{\A/|\A\z} ? "files$path" : $path;
}

# after_end: what follows the tar's end is filling, and is left away.
sub after_end {
    my $filling = substr $buffer, $seen, length($buffer) - $seen, '';
    stop_with(FAILED, 'The tar goes on after its end.') if $filling =~ /[^\0]/;
    return;
}

sub short_name {
    my ($block) = @_;
    my $name    = up_to_nul(substr $block, 0, 100);
    my $prefix  = substr($block, 257, 6) eq "ustar\0" ? up_to_nul(substr $block, 345, 155) : '';
    return length $prefix ? "$prefix/$name" : $name;
}

# real_size: of the file, where its holes are not in the tar.
sub real_size {
    my ($type, $size, $block, $said) = @_;
    return number(substr $block, 483, 12) if $type eq 'S';
    return first_of($said->{'GNU.sparse.realsize'}, $said->{'GNU.sparse.size'}, $size);
}

sub first_of {
    my @values = @_;
    for my $value (@values) { return $value if defined $value }
    return;
}

# number(FIELD): octal, or binary if the first bit is set.
sub number {
    my ($field) = @_;
    return $field =~ /([0-7]+)/ ? oct $1 : 0 if !(ord($field) & 0x80);
    my ($first, @others) = unpack 'C*', $field;
    my $value = $first & 0x7f;
    $value = $value * 256 + $_ for @others;
    return $value;
}

sub up_to_nul {
    my ($text) = @_;
    $text =~ s/\0.*//s;
    return $text;
}

sub escaped {
    my ($name) = @_;
    $name =~ s{([^A-Za-z0-9._/~+,\@=-])}{sprintf '%%%02X', ord $1}ge;
    return $name;
}

# --- compressing -----------------------------------------------------------------------------

# compress(SIZE): sets the first SIZE bytes of the buffer going, beside those that still are. The
# child has the buffer from the fork: nothing is copied but the little that follows the piece.
sub compress {
    my ($size) = @_;
    settle() while @running >= $jobs;
    my $rest   = substr $buffer, $size, length($buffer) - $size, '';
    my $output = scratch();
    my $child  = fork;
    stop_with(FAILED, "Cannot fork: $!") if !defined $child;
    exit feed(\$buffer, $output) if !$child;
    undef $buffer;
    $buffer = $rest;
    push @running, { pid => $child, output => $output, size => $size };
    $base += $size;
    $seen -= $size;
    return;
}

# feed(REFERENCE, OUTPUT): in a child; the status to end with.
sub feed {
    my ($piece, $output) = @_;
    open STDOUT, '>&', $output or return FAILED;
    my $pid = open my $to, q{|-}, @compressor or return FAILED;
    fcntl $to, SET_PIPE, CHUNK;
    my $sent = write_to($to, $piece);
    return 0 if close($to) && $sent;
    return KILLED if $? & 127;
    # Not every compressor says in its status why it could not write: try it ourselves.
    my $room = write_to($output, \("\0" x CHUNK));
    return $room ? FAILED : status_of_error();
}

# settle: waits for the oldest piece and puts it behind those before it.
sub settle {
    my $oldest = shift @running;
    waitpid $oldest->{pid}, 0;
    my $status = $? & 127 ? KILLED : $? >> 8;
    stop_with($status, "$compressor[0] failed.") if $status;
    my $size = copy($oldest->{output});
    say_to_index("M $pieces " . ($pieces ? tar_offset($oldest) : 0) . " $oldest->{size} $packed $size\n");
    $pieces++;
    $packed += $size;
    return;
}

# tar_offset(PIECE): where it begins; those after it are already counted in the base.
sub tar_offset {
    my ($piece) = @_;
    my $after = $piece->{size};
    $after += $_->{size} for @running;
    return $base - $after;
}

# copy(HANDLE): all of it, to the archive and to the hash; its size.
sub copy {
    my ($from) = @_;
    my $size = 0;
    sysseek $from, 0, 0;
    while (1) {
        my $got = sysread $from, my $bytes, CHUNK;
        next if !defined $got && $! == INTERRUPTED;
        stop_with(FAILED, "Cannot read what was packed: $!") if !defined $got;
        last if !$got;
        make_room($packed + $size);
        write_all($archive, $bytes);
        write_all(*STDOUT, $bytes);
        $size += $got;
    }
    return $size;
}

# --- files -----------------------------------------------------------------------------------

sub create {
    my ($name) = @_;
    open my $handle, '>:raw', $name or stop_full("Cannot create $name");
    return $handle;
}

# scratch: a file without a name, so that nothing of it stays, whatever happens.
sub scratch {
    open my $handle, '+>:raw', 'work/piece' or stop_full('Cannot create a file');
    unlink 'work/piece';
    return $handle;
}

sub contents {
    my ($name) = @_;
    open my $handle, '<:raw', $name or stop_with(FAILED, "Cannot read $name: $!");
    local $/ = undef;
    return scalar <$handle>;
}

sub write_all {
    my ($to, $bytes) = @_;
    return write_to($to, \$bytes) || stop_full('Cannot write');
}

# write_to(HANDLE, REFERENCE): whether all of it could be written.
sub write_to {
    my ($to, $bytes) = @_;
    my $done = 0;
    while ($done < length $$bytes) {
        my $wrote = syswrite $to, $$bytes, CHUNK, $done;
        next if !defined $wrote && $! == INTERRUPTED;
        return 0 if !$wrote;
        $done += $wrote;
    }
    return 1;
}

# say_to_index(LINE): many short lines, so they are written together.
my $lines;
sub say_to_index {
    my ($line) = @_;
    $lines .= $line;
    return if length $lines < 65_536 && $line !~ /^E/;
    write_all($index, $lines);
    $lines = '';
    return;
}

# --- our own entries -------------------------------------------------------------------------

sub result {
    my $bytes = $base + length $buffer;
    my @numbers = map {"\"$_\": $count{$_}"} sort keys %count;
    return '{"format": 1, "complete": true, "tar_bytes_before": ' . $bytes . ', ' . join(', ', @numbers) . "}\n";
}

# --- what is said meanwhile ------------------------------------------------------------------

# progress: every second, or more often if much has passed. It must not fail the work: the disk may
# be full for a moment.
sub progress {
    my $now = time;
    return if $now == $said[0] && $base + $seen - $said[1] < SAID_EVERY;
    @said = ($now, $base + $seen);
    my $done = $base + $seen;
    my $total = $done > $expected ? $done : $expected;
    open my $handle, '>', 'work/progress' or return;
    print {$handle} "$stage $done $total\n";
    close $handle and rename 'work/progress', 'progress';
    return;
}

# mount_points: path => 1. The kernel writes blanks and the like in them as octal numbers.
sub mount_points {
    open my $handle, '<', '/proc/self/mountinfo' or return;
    my %points;
    while (my $line = <$handle>) {
        my $path = (split / /, $line)[4];
        $path =~ s/\\([0-7]{3})/chr oct $1/ge;
        $points{$path} = 1;
    }
    return %points;
}

# left_out(PATH): tar stays on one file system; a mount point of another is stored as it is, empty.
sub left_out {
    my ($path) = @_;
    $path =~ s{^files}{};
    $path =~ s{/+\z}{};
    return if !$mounts{$path};
    my ($above) = $path =~ m{^(.*)/};
    return if (stat $path)[0] == (stat "$above/")[0];
    open my $handle, '>>', 'work/left_out' or stop_full('Cannot write');
    print {$handle} "$path\0";
    close $handle;
    return;
}

# --- failing ---------------------------------------------------------------------------------

sub status_of_error {
    return OVER_QUOTA if $! == NO_QUOTA;
    return $! == NO_SPACE ? DISK_FULL : FAILED;
}

sub stop_full {
    my ($doing) = @_;
    stop_with(status_of_error(), "$doing: $!");
    return;
}

sub stop_with {
    my ($status, $sentence) = @_;
    kill 'TERM', map { $_->{pid} } @running;
    print {*STDERR} "$sentence\n";
    exit $status;
}
