# Puts what was unpacked beside a path in its place, and back. Every step is a rename inside one file
# system, and is in the journal, on the disk, before it is done: whatever is killed, `back` finds out by
# the inodes how far it came. Nothing is copied, nothing is deleted: what stood there before is
# afterwards where the new one was.
#   forward JOURNAL EXACT TARGET NEW KEPT   KEPT: names below TARGET that stay, each ended by NUL
#   back JOURNAL
#   tidy JOURNAL PATH                       removes a folder of ours in which nothing is kept; `back` makes it anew
#   clear PATH TIME                         removes a folder of ours; TIME is what its own folder gets
# EXACT: yes if what NEW does not hold is to go; else it stays. docs/restore.md
use strict;
use warnings;
use IO::Handle;
use Errno;

my ($NOREPLACE, $EXCHANGE) = (1, 2);
# renameat2, statx, utimensat: numbers of the kernel's tables (syscall(2)).
my %CALLS = (x86_64 => [316, 332, 280], aarch64 => [276, 291, 88], riscv64 => [276, 291, 88]);
my $machine = qx(uname -m);
chomp $machine;
my ($RENAMEAT2, $STATX, $UTIMENSAT) = @{$CALLS{$machine} // []};

my ($journal, $number, %mounted, %stays, $exact) = (undef, 0);

sub give_up { print STDERR "$_[0]\n"; exit 1 }

sub shown { my ($name) = @_; $name =~ s/([\x00-\x1f\x7f\\])/sprintf '\\x%02x', ord $1/ge; return $name }

## Folders, held open: nobody who may write above can put a link in the place of one meanwhile

# open_folder(PATH): a handle of it; no part of PATH may be a link.
sub open_folder {
    my ($path) = @_;
    chdir '/' or give_up("/: $!");
    for my $part (grep { length } split m{/}, $path) {
        my @there = lstat $part or give_up(shown($path) . ": $!");
        -l _ and give_up(shown($path) . ' has a link in it.');
        chdir $part or give_up(shown($path) . ": $!");
        my @here = stat '.';
        "@here[0,1]" eq "@there[0,1]" or give_up(shown($path) . ' is changed by somebody meanwhile.');
    }
    sysopen my $handle, '.', 0 or give_up(shown($path) . ": $!");
    return $handle;
}

# at(PATH): (its folder's handle, its name by way of that handle).
sub at {
    my ($path) = @_;
    my ($above, $name) = $path =~ m{\A(.*)/([^/]+)\z}s or give_up(shown($path) . ' has no folder.');
    my $handle = open_folder($above);
    return ($handle, '/proc/self/fd/' . fileno($handle) . "/$name");
}

# inode(PATH): DEVICE:INODE, or '' if nothing is there.
sub inode {
    my ($path) = @_;
    my ($above) = $path =~ m{\A(.*)/}s;
    return '' unless -d ($above || '/');
    my ($handle, $name) = at($path);
    my @found = lstat $name;
    return @found ? "$found[0]:$found[1]" : '';
}

sub device { return inode($_[0]) =~ s/:.*//r }

sub is_folder { my ($handle, $name) = at($_[0]); return lstat $name && -d _ && !-l _ }

## The journal

sub escaped { my ($text) = @_; $text =~ s/([^A-Za-z0-9._\/~+,@=-])/sprintf '%%%02X', ord $1/ge; return $text }
sub unescaped { my ($text) = @_; $text =~ s/%([0-9A-F]{2})/chr hex $1/ge; return $text }

# about_to(STEP…): on the disk before it returns.
sub about_to {
    print {$journal} join(' ', 'B', ++$number, map { escaped($_) } @_), "\n" or give_up("The journal: $!");
    $journal->flush && $journal->sync or give_up("The journal: $!");
}

## Steps

# changed_at(HANDLE): when the folder was changed, SECONDS.NANOSECONDS.
sub changed_at {
    my ($handle) = @_;
    my $found = "\0" x 256;
    my $asked = $STATX && syscall($STATX, fileno $handle, my $itself = '', 0x1000, 0x40, $found) == 0;
    return $asked ? join '.', unpack 'x112 q L', $found : (stat $handle)[9] . '.0'; # stx_mtime, statx(2)
}

# set_changed(HANDLE, TIME): of the folder; when it was read stays as it is.
sub set_changed {
    my ($handle, $time) = @_;
    my ($seconds, $nanoseconds) = split /\./, $time;
    my $times = pack 'q q q q', 0, 0x3ffffffe, $seconds, $nanoseconds;
    return if $UTIMENSAT && syscall($UTIMENSAT, fileno $handle, 0, $times, 0) == 0;
    utime $seconds, $seconds, $handle;
}

# step(CODE, WORD, PATH, …): notes a step with the times of its folders, does it, and gives them back.
sub step {
    my ($code, $word, $paths, @more) = @_;
    my @held = map { [at($_)] } @$paths;
    my @times = map { changed_at($_->[0]) } @held;
    about_to($word, @$paths, @more, @times);
    my $done = $code->(map { $_->[1] } @held);
    my $why = $!;
    set_changed($held[$_][0], $times[$_]) for 0 .. $#held;
    $! = $why;
    return $done;
}

sub renameat2 {
    my ($from, $to, $flag) = @_;
    return $RENAMEAT2 && syscall($RENAMEAT2, -100, $from, -100, $to, $flag) == 0;
}

# renamed(FROM, TO): never over what is there.
sub renamed {
    my ($from, $to) = @_;
    return 1 if renameat2($from, $to, $NOREPLACE);
    return !$!{EEXIST} && !lstat $to && rename $from, $to;
}

# move_to(FROM, TO): nothing is at TO.
sub move_to {
    my ($from, $to) = @_;
    step(\&renamed, 'move', [$from, $to], inode($from)) or give_up(shown($from) . " cannot be moved: $!");
}

# exchange(ONE, OTHER): both are there; where the kernel cannot do it at once, by three renames.
sub exchange {
    my ($one, $other) = @_;
    return if step(sub { renameat2(@_, $EXCHANGE) }, 'exchange', [$one, $other], inode($one));
    my $aside = "$other.aside-$number";
    move_to($one, $aside);
    move_to($other, $one);
    move_to($aside, $other);
}

# make_folder(PATH, LIKE): with mode, owner and time of LIKE; without it, as any other folder.
sub make_folder {
    my ($path, $like) = @_;
    step(sub { mkdir $_[0], 0755 }, 'mkdir', [$path]) or give_up(shown($path) . " cannot be made: $!");
    take_after($path, $like) if defined $like;
}

# take_after(PATH, LIKE)
sub take_after {
    my ($path, $like) = @_;
    my ($mine, $theirs) = (open_folder($path), open_folder($like));
    my @found = stat $theirs;
    chown $found[4], $found[5], $mine;
    chmod $found[2] & 07777, $mine;
    set_changed($mine, changed_at($theirs));
}

# dress(PATH, LIKE): as take_after, for a folder that was there before.
sub dress {
    my ($path, $like) = @_;
    my $handle = open_folder($path);
    my @was = stat $handle;
    about_to('dress', $path, @was[2, 4, 5], changed_at($handle));
    take_after($path, $like);
}

## Forward

# read_mounts: where something is mounted, and what is mounted elsewhere by others: a container that was
# given a folder keeps the folder, whatever its name becomes.
sub read_mounts {
    my @ours = mounts_of('self');
    $mounted{$_->{point}} = 1 for @ours;
    my %seen = (readlink('/proc/self/ns/mnt') // '' => 1);
    for my $process (glob '/proc/[0-9]*') {
        next if $seen{readlink("$process/ns/mnt") // ''}++;
        for my $theirs (mounts_of($process =~ s{.*/}{}r)) {
            for my $mount (grep { $_->{device} eq $theirs->{device} } @ours) {
                my $below = below($theirs->{root}, $mount->{root});
                $mounted{$mount->{point} =~ s{/\z}{}r . $below} = 1 if defined $below && $below ne '';
            }
        }
    }
}

sub mounts_of {
    my ($process) = @_;
    open my $table, '<', "/proc/$process/mountinfo" or return;
    return map {
        my ($device, $root, $point) = (split ' ')[2, 3, 4];
        s/\\([0-7]{3})/chr oct $1/ge for $root, $point;
        {device => $device, root => $root, point => $point};
    } <$table>;
}

# below(PATH, FOLDER): what is left of PATH, with its slash; '' if both are one, nothing if it is elsewhere.
sub below {
    my ($path, $folder) = @_;
    $folder =~ s{/\z}{};
    return $path eq '/' && $folder eq '' ? '' : index("$path/", "$folder/") == 0 ? substr $path, length $folder : undef;
}

# is_mounted(PATH): whether it is a mount point, or one lies below it.
sub is_mounted {
    my ($path) = @_;
    return $mounted{$path} || grep { index($_, "$path/") == 0 } keys %mounted;
}

sub make_above {
    my ($path) = @_;
    my ($above) = $path =~ m{\A(.*)/}s;
    return if $above eq '' || -d $above;
    make_above($above);
    make_folder($above);
}

# put(TARGET, NEW): NEW is what TARGET is to be.
sub put {
    my ($target, $new) = @_;
    make_above($target);
    if (inode($target) eq '') { move_to($new, $target) }
    elsif (device($target) ne device($new)) { return } # what is mounted there was not backed up
    elsif (!is_folder($target) || !is_folder($new)) { put_other($target, $new) }
    elsif (is_mounted($target)) { descend($target, $new) }
    else {
        carry($target, $new);
        exchange($target, $new);
    }
}

sub put_other {
    my ($target, $new) = @_;
    is_mounted($target) and give_up(shown($target) . ' is a mount point, and of another kind than in the backup.');
    exchange($target, $new);
}

# carry(TARGET, NEW): what stays goes over into NEW first.
sub carry {
    my ($target, $new) = @_;
    for my $name (sort grep { index($_, "$target/") == 0 } keys %stays) {
        my $to = $new . substr $name, length $target;
        next if inode($name) eq '' || inode($to) ne '';
        carry_above($to, $new, $target);
        move_to($name, $to);
    }
    carry_unknown($target, $new) unless $exact;
}

sub carry_above {
    my ($to, $new, $target) = @_;
    my ($above) = $to =~ m{\A(.*)/}s;
    return if $above eq $new || inode($above) ne '';
    carry_above($above, $new, $target);
    make_folder($above, $target . substr $above, length $new);
}

# carry_unknown(TARGET, NEW): all that NEW does not have.
sub carry_unknown {
    my ($target, $new) = @_;
    for my $name (names_in($target)) {
        my ($from, $to) = ("$target/$name", "$new/$name");
        if (inode($to) eq '') { move_to($from, $to) }
        elsif (is_folder($from) && is_folder($to)) { carry_unknown($from, $to) }
    }
}

# descend(TARGET, NEW): TARGET itself cannot be renamed, but what is in it.
sub descend {
    my ($target, $new) = @_;
    my %is_new = map { $_ => 1 } names_in($new);
    for my $name (sort keys %is_new) { put("$target/$name", "$new/$name") }
    for my $name ($exact ? names_in($target) : ()) {
        my $path = "$target/$name";
        next if $is_new{$name} || $stays{$path} || is_mounted($path) || $name =~ /\A\.cloudpilot-restore-/;
        if (grep { index($_, "$path/") == 0 } keys %stays) { thin($path, "$new/$name") }
        else { move_to($path, "$new/$name") }
    }
    dress($target, $new);
}

# thin(PATH, AWAY): what is in it goes, but for what stays.
sub thin {
    my ($path, $away) = @_;
    make_folder($away, $path);
    for my $name (names_in($path)) {
        my $inner = "$path/$name";
        next if $stays{$inner};
        if (grep { index($_, "$inner/") == 0 } keys %stays) { thin($inner, "$away/$name") }
        else { move_to($inner, "$away/$name") }
    }
}

sub names_in {
    my ($path) = @_;
    my $handle = open_folder($path);
    opendir my $folder, '/proc/self/fd/' . fileno $handle or give_up(shown($path) . ": $!");
    return sort grep { $_ ne '.' && $_ ne '..' } readdir $folder;
}

sub forward {
    my ($file, $wish, $target, $new, $kept) = @_;
    $exact = $wish eq 'yes';
    read_mounts();
    open my $names, '<', $kept or give_up("$kept: $!");
    {
        local $/ = "\0";
        while (my $name = <$names>) { chomp $name; $stays{$name} = 1 }
    }
    $number = -e $file ? lines_of($file) : 0;
    open $journal, '>>', $file or give_up("$file: $!");
    put($target, $new);
}

## Back

# is_ours(PATH): whether it lies in a folder that a restore has made.
sub is_ours { return $_[0] =~ m{/\.cloudpilot-restore-[^/]+(?:/|\z)} }

# make_again(PATH): the folders above it that `tidy` has removed.
sub make_again {
    my ($path) = @_;
    my ($above) = $path =~ m{\A(.*)/}s;
    return if -d $above || !is_ours($above);
    make_again($above);
    my ($folder, $name) = at($above);
    mkdir $name, 0700 or give_up(shown($above) . " cannot be made: $!");
}

sub lines_of { my ($file) = @_; open my $lines, '<', $file or give_up("$file: $!"); my @all = <$lines>; return scalar @all }

# Each gives a sentence if it cannot be undone.
my %back = (
    move => sub {
        my ($from, $to, $inode) = @_;
        return if inode($from) eq $inode;
        # Nothing was there before, and nothing is there: it was put back and cleared, or somebody has removed it.
        return if inode($to) eq '' && is_ours($from) && !is_ours($to);
        inode($to) eq $inode or return shown($to) . ' is not what was put there.';
        make_again($from);
        return to_its_place($from, $to);
    },
    exchange => sub {
        my ($one, $other, $inode) = @_;
        return inode($other) eq $inode ? to_its_place($one, $other) : undef; # else by steps of its own
    },
    mkdir => sub {
        my ($path) = @_;
        return unless -d $path;
        my ($folder, $name) = at($path);
        rmdir $name; # what is in it now is somebody's
        return;
    },
    dress => sub {
        my ($path, $mode, $owner, $group) = @_;
        my $handle = open_folder($path);
        chown $owner, $group, $handle;
        chmod $mode & 07777, $handle;
        return;
    },
);
my %PATHS = (move => 2, exchange => 2, mkdir => 1, dress => 0); # whose folders' times are noted last

# to_its_place(PLACE, PATH): what is in its place now, if anything, goes where it was.
sub to_its_place {
    my ($place, $path) = @_;
    my (@held) = (at($place), at($path));
    return if renamed(@held[3, 1]) || renameat2(@held[1, 3], $EXCHANGE);
    rename $held[1], "$held[3].aside" and renamed(@held[3, 1]) or return shown($path) . " cannot be put back: $!";
    return;
}

# undo(STEP, WORD…): returns what is wrong, if anything.
sub undo {
    my ($step, @words) = @_;
    my $why = $back{$step}->(@words);
    my @folders = $PATHS{$step} ? map { m{\A(.*)/}s; $1 } @words[0 .. $PATHS{$step} - 1] : ($words[0]);
    for my $folder (reverse @folders) {
        my $time = pop @words;
        set_changed(open_folder($folder), $time) if -d $folder && $time =~ /\A-?\d+\.\d+\z/;
    }
    return $why;
}

# steps_of(JOURNAL): the words of each step.
sub steps_of {
    my ($file) = @_;
    open my $lines, '<', $file or give_up("$file: $!");
    my @steps = grep { /\AB \d+ \S+.*\n\z/ } <$lines>; # the last may not be whole: it was not done
    chomp @steps;
    return map { [map { unescaped($_) } (split / /, $_, -1)[2 .. tr/ //]] } @steps;
}

sub back {
    my ($file) = @_;
    my @wrong = grep { defined } map { undo(@$_) } reverse steps_of($file);
    give_up($wrong[0]) if @wrong;
}

## Tidy

# tidy(JOURNAL, PATH): where nothing was before, nothing is kept: what was unpacked has left empty folders
# behind. Only those are removed: whatever is in one keeps all of them.
sub tidy {
    my ($file, $path) = @_;
    return if inode($path) eq '' || grep({ was_put_into($path, @$_) } steps_of($file)) || !is_bare($path);
    my ($above) = at($path);
    my $time = changed_at($above);
    remove_bare($path);
    set_changed($above, $time);
}

# was_put_into(FOLDER, STEP…): whether that step has put there what was elsewhere, or made something there.
sub was_put_into {
    my ($folder, $word, @paths) = @_;
    my @changed = $word eq 'move' ? $paths[1] : $word eq 'exchange' ? @paths[0, 1] : $paths[0];
    return grep { defined below($_, $folder) } @changed;
}

# is_bare(FOLDER): whether there is nothing but folders in it.
sub is_bare {
    my ($folder) = @_;
    return !grep { !is_folder("$folder/$_") || !is_bare("$folder/$_") } names_in($folder);
}

sub remove_bare {
    my ($folder) = @_;
    remove_bare("$folder/$_") for names_in($folder);
    my ($above, $name) = at($folder);
    rmdir $name or give_up(shown($folder) . ": $!");
}

## Clear

# clear(PATH, TIME): from inside its own folder, so that no link leads rm elsewhere.
sub clear {
    my ($path, $time) = @_;
    return if inode($path) eq '';
    my ($above, $name) = $path =~ m{\A(.*)/([^/]+)\z}s;
    my $handle = open_folder($above); # and we are in it
    system 'rm', '-rf', '--', "./$name";
    lstat $name and give_up(shown($path) . ' cannot be removed.');
    set_changed($handle, $time) if $time =~ /\A-?\d+\.\d+\z/;
}

my %verbs = (forward => \&forward, back => \&back, tidy => \&tidy, clear => \&clear);
my ($verb, @words) = @ARGV;
($verbs{$verb // ''} // sub { give_up('forward, back, tidy or clear') })->(@words);
