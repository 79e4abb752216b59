# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is sent stands before this, written by engine/uploading.py:
#   upload_id=ID items=(archive …) file_ITEM=NAME tiers_ITEM=(BYTES COUNT …) following=RUN_ID
#   archive_size=BYTES archive_sha256=HEX parallel=COUNT whole_md5=yes in_clear=yes rate=BYTES
#   patience=SECONDS margin=SECONDS streamed=yes
# Sends a backup's files in parts, straight to a store. After curl.sh, requests.sh, send.sh,
# senders.sh, follow.sh, maker.sh or tree_follow.sh, free.sh and parts.sh. One pass reads and hashes; beside it senders read their parts again and say on
# descriptor 7 what has become of them. Receipts are in BACKUP/upload-ID/ITEM, a line for each part
# that was taken, NUMBER SIZE MD5 ANSWER, and "= SIZE SHA256 MD5" when all were: they outlive the run.

received_before=0 # bytes, of the items before this one

prepare() {
  local name
  for name in curl dd tee head stat seq mkfifo; do
    has "$name" || fail 78 "$name is not installed."
  done
  choose_curl "$in_clear"
  choose_hashes
  gently=()
  has nice && gently+=(nice -n 10)
  has ionice && ionice -c 2 -n 7 true 2>/dev/null && gently+=(ionice -c 2 -n 7)
  our_boot=$(cat /proc/sys/kernel/random/boot_id)
  receipts=$backup/upload-$upload_id
  mkdir -p -- "$receipts" || fail 70 "$(shown "$receipts") cannot be made."
  end_former
  mkfifo work/events && exec 7<>work/events
  memory
  take_launched
}

# choose_hashes: a hardened openssl refuses MD5, which is asked for by the stores.
choose_hashes() {
  sha256_command=(openssl dgst -sha256 -r)
  printf '' | "${sha256_command[@]}" >/dev/null 2>&1 || sha256_command=(sha256sum)
  md5_command=(openssl dgst -md5 -r)
  printf '' | "${md5_command[@]}" >/dev/null 2>&1 || md5_command=(md5sum)
  has "${sha256_command[0]}" || fail 78 'Neither openssl nor sha256sum is installed.'
  has "${md5_command[0]}" || fail 78 'Neither an openssl that takes MD5 nor md5sum is installed.'
}

# end_former: of two runs of one upload the newer goes on; what a killed script has left still sends.
end_former() {
  local former pid pids
  if read -r former 2>/dev/null <"$receipts/run" && [ "$former" != "$CLOUDPILOT_RUN" ]; then
    while pids=$(marked "$former") && [ -n "$pids" ]; do
      for pid in $pids; do signal KILL "$pid"; done
      sleep 0.1
    done
  fi
  printf '%s\n' "$CLOUDPILOT_RUN" >"$receipts/run"
  clear_former
}

# clear_former: what runs of uploads of this backup that were killed have left; who makes the archive is another's.
clear_former() {
  local other pid start
  for other in "$backup"/run-*; do
    if [ "$other" = "$run" ] || [ "$other" = "$backup/run-$following" ] || [ -e "$other/exit" ]; then continue; fi
    read -r pid start _ 2>/dev/null <"$other/pid" || continue
    lives "$pid" "$start" || wipe "$other/work" "$other/reserve"
  done
}

# send_item NAME LATER…: all of one file.
send_item() {
  local -n tiers=tiers_$1 file_name=file_$1
  item=$1 file=$file_name later=("${@:2}")
  open='' whole='' there=0 size='' sha256='' make=''
  if [ "$item" = archive ]; then
    size=$archive_size sha256=$archive_sha256
    [ -z "$following" ] || make=$backup/run-$following
  fi
  job=() seen_dead=() offset_of=() size_of=() md5_of=() ready=()
  next=1 read_to=0 all_read='' received=0 expired=0 slots=$parallel must_ask=yes
  measured='' half_heard='' sent_now=0 began_at=$SECONDS # of this item, by this run
  is_streamed && return
  known_receipts
  say_received 0
  begin_hashes
  until is_sent; do
    take_fed
    follow
    [ -z "$make" ] || look_ahead
    read_ahead
    start_parts
    say_wants
    say_progress
    need_own_disk
    is_sent || hear
  done
  exec 5<&-
  printf '= %s %s %s\n' "$there" "$sha256_of_all" "${md5_of_all:--}" >>"$receipts/$item" || fail_to_note
  say_received "$there"
  ((received_before += there))
}

# look_ahead: what is still being made may turn out to be too large. Known when it was measured.
look_ahead() {
  local expected
  if [ -n "$measured" ] || ! read -r expected 2>/dev/null <"$make/expected"; then return; fi
  [[ $expected =~ ^[0-9]{1,15}$ ]] || return 0
  measured=yes
  refuse_what_has_no_parts "$expected"
}

is_sent() {
  [ -n "$all_read" ] && ((${#ready[@]} + ${#job[@]} == 0))
}

# part_size NUMBER: sets `bytes`, those of a part that is not the last.
part_size() {
  local at before=0
  for ((at = 0; at < ${#tiers[@]}; at += 2)); do
    ((before += tiers[at + 1]))
    if (($1 <= before)); then
      bytes=${tiers[at]}
      return
    fi
  done
  fail 93 "$file is larger than this upload has parts for."
}

# is_a_part NUMBER: whether it is or may become one that is still to be sent.
is_a_part() {
  local at count=0 bytes
  [ -z "${known[$1]:-}" ] || return
  if (($1 >= next)) && [ -n "$whole" ]; then
    ((read_to < there)) || return
    part_size "$next"
    ((read_to + ($1 - next) * bytes < there)) || return # parts do not get smaller
  fi
  for ((at = 1; at < ${#tiers[@]}; at += 2)); do ((count += tiers[at])); done
  (($1 <= count))
}

# read_ahead: one part more than can be sent at once, so that a sender never waits for the disk.
read_ahead() {
  local bytes
  if [ -n "$whole" ] && ((there == 0)); then finish_reading; fi
  while [ -z "$all_read" ] && ((${#ready[@]} < 2)); do
    part_size "$next"
    if ((read_to + bytes >= there)); then
      [ -n "$whole" ] || return 0
      bytes=$((there - read_to))
    fi
    read_part "$read_to" "$bytes"
    take_part "$bytes"
    say_progress # of many parts that were sent before nobody hears until all are read
  done
}

# take_part SIZE: the part `next` was read; it is sent unless that has been done before.
take_part() {
  local number=$next
  offset_of[number]=$read_to size_of[number]=$1 md5_of[number]=$md5_of_part
  ((next += 1, read_to += $1))
  [ -z "$whole" ] || ((read_to < there)) || finish_reading
  if [ "${known[$number]:-}" = "$1 $md5_of_part" ]; then
    ((received += $1))
  else
    known[number]=''
    ready+=("$number")
  fi
}

# finish_reading: only if this is the archive the last part is sent, without which there is no object.
finish_reading() {
  [ -z "$all_read" ] || return 0
  all_read=yes
  end_hashes
  [ -z "$sha256" ] || [ "$sha256" = "$sha256_of_all" ] ||
    fail 94 "$file is not what was made: its SHA-256 is $sha256_of_all and was $sha256."
}

result_of_upload() {
  printf '%s=%s\n' upload "$upload_id" sent "$received_before" seconds "$SECONDS" complete 1
}

begin
stage upload
said_at=-1 said_wants=
prepare
begin_packing
say "Sending ${items[*]}."
for ((number_of_item = 0; number_of_item < ${#items[@]}; number_of_item++)); do
  send_item "${items[@]:number_of_item}"
done
in_background sync "$receipts"/* || fail 74 "The disk of $(shown "$backup") reports an error."
{ result_of_upload >work/result && mv -T work/result result; } || fail_to_note
progress "$received_before" "$received_before"
say 'Everything is sent.'
