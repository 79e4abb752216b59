# Packing without keeping: the archive's file holds only what an upload has not yet received. For
# pack.pl. The upload frees what was received and says how much that is in a file that it replaces:
# BYTES NUMBER START, the last two of its process.
use strict;
use warnings;

sub UPLOAD_ENDED () { return 93 }
sub LEAST_AHEAD ()  { return 64 * 1024 * 1024 }    # bytes
sub PARTS_AHEAD ()  { return 3 }                   # one is read, one is sent, one is written
sub READ_ONLY ()    { return 30 }                  # what Linux calls that error
sub PATIENCE ()     { return 24 * 3600 }           # seconds without progress

my ($received_file, @tiers);
my ($received, $process, $at) = (0, '', time);    # what was said last, and when it was something else
my $asked = 0;

# stream_to(FILE, TIERS): where the upload says how far it is; its parts as BYTESxCOUNT,BYTESxCOUNT
sub stream_to {
    my ($file, $tiers) = @_;
    $received_file = $file;
    @tiers = map { [split /x/] } split /,/, $tiers;
    return;
}

# make_room(WRITTEN): waits while too much of the archive is on the disk.
sub make_room {
    my ($written) = @_;
    return if !@tiers;
    ask_upload() if $asked != time;
    my $since = time;
    while ($written - $received >= ahead_at_most($written)) {
        ask_upload();
        my $last = $at > $since ? $at : $since;
        stop_with(UPLOAD_ENDED, 'The upload has taken nothing for 24 hours.') if time - $last > PATIENCE;
        stop_with(UPLOAD_ENDED, 'The backup was deleted while it was made.') if !-e 'work/archive';
        stop_with(FAILED(), 'The disk became read-only.') if is_read_only();
        select undef, undef, undef, 0.1;
    }
    return;
}

# ahead_at_most(WRITTEN): parts grow, so none that is still to be sent is larger than the one there.
sub ahead_at_most {
    my ($written) = @_;
    my ($before, $size) = (0, 0);
    for my $tier (@tiers) {
        $size = $tier->[0];
        $before += $size * $tier->[1];
        last if $written < $before;
    }
    return PARTS_AHEAD * $size > LEAST_AHEAD ? PARTS_AHEAD * $size : LEAST_AHEAD;
}

# ask_upload: ends the packing if nobody receives any more. It may not have begun yet.
sub ask_upload {
    $asked = time;
    my $said = '';
    if (open my $handle, '<', $received_file) {
        $said = <$handle> || '';
        close $handle;
    }
    my ($bytes, $pid, $start) = $said =~ /^(\d+) (\d+) (\d+)$/;
    return if !defined $bytes;
    $at = time if $bytes != $received || $process ne "$pid $start";
    ($received, $process) = ($bytes, "$pid $start");
    stop_with(UPLOAD_ENDED, 'The upload has ended, so nothing takes what is packed.') if !alive($pid, $start);
    return;
}

# is_read_only: whether no word of ours can be written any more; tried, as in words.sh.
sub is_read_only {
    return $! == READ_ONLY if !open my $handle, '>', 'work/alive';
    close $handle;
    return 0;
}

# alive(PID, START): as `lives` in ending.sh.
sub alive {
    my ($pid, $start) = @_;
    open my $handle, '<', "/proc/$pid/stat" or return 0;
    my $stat = <$handle> || '';
    close $handle;
    $stat =~ s/^.*\) //s;
    my @fields = split / /, $stat;
    return @fields > 19 && $fields[19] eq $start && $fields[0] !~ /[ZX]/;
}

1;
