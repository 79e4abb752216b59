# shellcheck shell=bash
# feed ROOT BACKUP_ID RUN_ID, with secrets: more signed requests for an upload that is at work, into
# its folder in memory; see requests.sh. One that is not at work needs none.

feed() {
  local run=$1/$2/run-$3 pid start folder name encoded left
  read -r pid start _ 2>/dev/null <"$run/pid" || return 0
  [ "$(life "$run")" = alive ] || return 0
  for ((left = 100; left > 0; left--)); do # it may just have begun
    for folder in "/dev/shm/cloudpilot-$UID.$pid.$start".*; do
      if [ -d "$folder" ] && ! [ -L "$folder" ] && [ -O "$folder" ]; then
        secrets | while read -r name encoded; do put_whole "$folder" "$name" "$encoded" || exit; done
        return
      fi
    done
    sleep 0.02
  done
}

# put_whole FOLDER NAME ENCODED: under another name until it is there.
put_whole() {
  local new=$1/new.$$.$2
  if printf %s "$3" | base64 -d >"$new" && mv -f -- "$new" "$1/fed.$(date +%s%N).$2"; then return; fi
  rm -f -- "$new"
  [ ! -d "$1" ] || fail 71 'The memory of the server (/dev/shm) is full.'
}

feed "$@"
