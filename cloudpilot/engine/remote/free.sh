# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what upload.sh sets and reads
# Streaming: what the store has received is freed in the archive's file, which another run is still
# writing or keeps until we have all of it. How much that is we say in a file; see stream.pl.

# say_received BYTES
say_received() {
  [ -n "$streamed" ] && [ "$item" = archive ] || return 0
  { printf '%s %s %s\n' "$1" "$$" "$started" >work/received && mv -f work/received "$receipts/received"; } ||
    fail_to_note
}

# free_part NUMBER: all of it may be said only when the receipts are whole: then its file may go.
free_part() {
  [ -n "$streamed" ] && [ "$item" = archive ] || return 0
  fallocate --punch-hole --offset "${offset_of[$1]}" --length "${size_of[$1]}" /dev/fd/5 ||
    fail 74 "$file cannot be freed where it was sent."
  say_received "$((received - (received == there)))"
}

# is_streamed: whether all of a streamed archive was sent by a former run. One that was interrupted
# cannot be gone on with: what was sent is no longer here.
is_streamed() {
  local size sha256 parts=''
  [ -n "$streamed" ] && [ "$item" = archive ] || return 1
  if read -r _ size sha256 _ < <(grep -a '^= ' "$receipts/archive" 2>/dev/null | tail -n 1); then
    say "$file was sent before."
    ((received_before += size))
    return
  fi
  read -r parts _ 2>/dev/null <"$receipts/archive"
  [ -z "$parts" ] || fail 96 'A streamed upload that was interrupted cannot go on: what was sent is no longer here.'
  return 1
}
