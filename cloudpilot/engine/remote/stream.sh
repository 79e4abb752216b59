# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what engine/script.py writes and measure.sh sets
#   streamed=yes upload_id=ID tiers=(BYTES COUNT …)
# A backup that leaves no archive here: an upload, which runs beside it, sends what is packed and
# frees it. For measure.sh and archive.sh; the counterpart is free.sh, and stream.pl between them.

# The most that is on the disk at once: what pack.pl may be ahead, see stream.pl, and its pieces.
stream_to=$backup/upload-$upload_id/received
stream_tiers=''
for ((tier = 0; tier < ${#tiers[@]}; tier += 2)); do
  stream_tiers+="${stream_tiers:+,}${tiers[tier]}x${tiers[tier + 1]}"
done

# check_holes: whether this disk gives back what is freed in the middle of a file.
check_holes() {
  local before after
  has fallocate || fail 78 'fallocate (util-linux) is not installed: without it nothing can be streamed.'
  head -c 1048576 /dev/zero >work/hole || fail 71 "$(full "$backup")"
  sync work/hole
  before=$(stat -c %b work/hole)
  fallocate --punch-hole --offset 0 --length 1048576 work/hole 2>/dev/null
  after=$(stat -c %b work/hole)
  rm -f work/hole
  ((after < before)) || fail 81 "The disk of $(shown "$backup_root") cannot free parts of a file, so \
backups cannot be streamed from it: keep a local copy, or choose a backup directory on ext4, XFS or btrfs."
}

# most_at_once: sets `needed`, if that is less than all of it.
most_at_once() {
  local at before=0 size=0 ahead
  for ((at = 0; at < ${#tiers[@]}; at += 2)); do
    size=${tiers[at]}
    ((before += size * tiers[at + 1]))
    ((needed >= before)) || break
  done
  ahead=$((3 * size > 67108864 ? 3 * size : 67108864))
  ((ahead += 5 * 33554432))
  ((needed < ahead)) || needed=$ahead basis='what is packed and not yet sent; none of it is kept here'
}

# hand_over: comes back when the upload has received all; it is said in `result` what that is.
hand_over() {
  local bytes pid start said='' since=$SECONDS
  say 'Waiting until the upload has received all of it.'
  while :; do
    need_own_disk
    if read -r bytes pid start 2>/dev/null <"$stream_to"; then
      [ "$bytes" != "$size" ] || return 0
      lives "$pid" "$start" || not_received 'The upload has ended before it had received all of it.'
      [ "$bytes $pid" = "$said" ] || since=$SECONDS
      said="$bytes $pid"
    fi
    ((SECONDS - since < 86400)) || not_received 'The upload has taken nothing for 24 hours.'
    in_background sleep 0.2
  done
}

# not_received SENTENCE: there is no backup, whatever `result` says.
not_received() {
  rm -f result
  fail 93 "$1"
}
