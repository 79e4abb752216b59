# shellcheck shell=bash
# shellcheck disable=SC2154 # backup and backup_root: see prelude.sh and archive.sh
# What was made gets its name beside the run, and is on the disk. For archive.sh and tree.sh.

# fail_to_sync: the disk says this once; what it holds now is not what was written.
fail_to_sync() {
  fail 74 "The disk of $(shown "$backup_root") reports an error: the archive may not be on it."
}

# publish FILE NAME
publish() {
  mv -T "work/$1" "$backup/$2" || fail 70 "$2 cannot be given its name."
}

fail_to_write() {
  ! no_room "$backup" || fail 71 "$(full "$backup_root")"
  fail 70 "The archive's description cannot be written."
}

# described: what a manifest begins with: the plan, and the result as JSON. Who calls it goes on.
described() {
  local key value text=''
  while IFS='=' read -r key value; do
    case $key in
      complete) value=true ;;
      *) [[ $value =~ ^(0|[1-9][0-9]*)$ ]] || value="\"$value\"" ;;
    esac
    text+="${text:+,}"$'\n'"  \"$key\": $value"
  done <work/result
  printf '{"format": 1,\n"plan": %s,\n"result": {%s\n},\n' "$(cat manifest.json)" "$text"
  [ ! -s work/all.json ] || printf '"databases": [\n%s\n],\n' "$(<work/all.json)"
}
