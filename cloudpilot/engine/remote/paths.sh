# shellcheck shell=bash
# paths PRIVILEGE PATH…: what is at each of these now; changes nothing. After common.sh. Each line of the answer is
# `path NUMBER KIND`: there, absent, link, closed (we may not read it), or hidden (nobody can say).

paths() {
  local path number=0
  privilege=$1 rootly=()
  if ((EUID)) && [ "$1" = full ] && sudo -n true 2>/dev/null; then rootly=(sudo -n env -i LC_ALL=C "PATH=$PATH"); fi
  shift
  echo # whatever the login shell has printed before ends here
  for path; do
    echo "path $number $(kind "$path")"
    ((number += 1))
  done
  echo end
}

# kind PATH
kind() {
  local error
  if "${rootly[@]}" test -L "$1"; then
    echo link
  elif "${rootly[@]}" test -e "$1"; then
    may_read "$1"
  else
    error=$("${rootly[@]}" stat -- "$1" 2>&1 >/dev/null)
    case $privilege:$error in
      *': No such file or directory' | *': Not a directory') echo absent ;;
      plain:*': Permission denied') echo closed ;;
      *) echo hidden ;;
    esac
  fi
}

# may_read PATH: what we are trusted with is read by a tar that may, or by root.
may_read() {
  if [ "$privilege" != plain ] || { [ -r "$1" ] && { ! [ -d "$1" ] || [ -x "$1" ]; }; }; then echo there; else echo closed; fi
}

paths "$@"
