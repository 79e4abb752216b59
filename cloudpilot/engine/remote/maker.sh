# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what upload.sh sets and reads
# The run that makes the archive which is sent: `make` is its directory.

# begin_packing: that run does it.
begin_packing() {
  :
}

# ask_maker: whether the archive is finished, or never will be. Who is found dead has written `exit` before.
ask_maker() {
  local pid='' start boot gone='' status='' key value complete=''
  if read -r pid start boot 2>/dev/null <"$make/pid"; then
    [ "$boot" = "$our_boot" ] && lives "$pid" "$start" || gone=yes
  elif [ -e "$make/stop" ]; then
    gone=yes
  fi
  read -r status 2>/dev/null <"$make/exit"
  while IFS='=' read -r key value; do
    case $key in
      size) size=$value ;;
      sha256) sha256=$value ;;
      complete) complete=$value ;;
    esac
  done 2>/dev/null <"$make/result"
  # One that is streamed is kept by its maker until we say that we have it.
  if [ -n "$streamed" ] && [ -n "$gone" ] && [ -z "$status" ]; then complete=''; fi
  if ((${status:-0})) || { [ "$complete" != 1 ] && [ -n "$gone$status" ]; }; then
    fail 96 'The archive was not completed: the run that makes it has ended without it.'
  fi
  [ "$complete" != 1 ] || whole=yes
}
