# shellcheck shell=bash
# rekey add OLD NEW, rekey drop OLD: lets another key in beside the panel's, or the former one out.
# OLD and NEW are lines as `ssh-keygen` writes them. All else in the file stays as it is, to the byte:
# also the options that stand before a key, which the new one gets, and a last line that does not end.

rekey() {
  local file old new
  cd || fail 77 'The home directory cannot be entered.'
  file=$(readlink -f .ssh/authorized_keys)
  [ -f "$file" ] || fail 72 "$HOME/.ssh/authorized_keys is not there."
  read -r _ old _ < <(printf '%s\n' "$2")
  case $1 in
    add)
      read -r _ new _ < <(printf '%s\n' "$3")
      lets_in "$new" || edit "$old" "$3"
      ;;
    drop) ! lets_in "$old" || edit "$old" ;;
  esac
}

# lets_in KEY
lets_in() {
  grep -v '^[[:space:]]*#' "$file" | grep -qF -- "$1"
}

# edit OLD LINE: before each line that has OLD, the same with the new key; where there is none, LINE
# comes first. Without LINE, those lines go.
edit() {
  local new whole=1 status
  new=$(mktemp "$file.XXXXXXXX") || fail 117 "$(id -un) may not write beside $file."
  if [ -s "$file" ] && [ -n "$(tail -c 1 -- "$file")" ]; then whole=0; fi
  OLD=$1 LINE=${2:-} WHOLE=$whole awk "$AWK" "$file" >"$new" && chmod --reference="$file" -- "$new" &&
    sync -- "$new" && mv -fT -- "$new" "$file"
  status=$?
  rm -f -- "$new"
  ((status == 0)) || fail 117 "$file cannot be written by $(id -un)."
  if command -v restorecon >/dev/null; then restorecon "$file" 2>/dev/null; fi
}

# A line is printed when the next is read: only then is it known not to be the last.
# shellcheck disable=SC2016 # these are awk's
AWK='
  function put(text) { if (any) printf "\n"; printf "%s", text; any = 1; last = text }
  BEGIN { old = ENVIRON["OLD"]; line = ENVIRON["LINE"]; split(line, word, " "); whole = ENVIRON["WHOLE"] }
  { at = index($0, old); ours = at && $0 !~ /^[ \t]*#/ }
  ours && line != "" { found = found "\n" NR; text = substr($0, 1, at - 1) word[2] substr($0, at + length(old)) }
  { lines[NR] = $0; mine[NR] = ours; made[NR] = ours && line != "" ? text : "" }
  END {
    if (line != "" && found == "") put(line)
    for (n = 1; n <= NR; n++) {
      if (made[n] != "") put(made[n])
      if (!mine[n] || line != "") { put(lines[n]); end = n }
    }
    if (any && (whole || end != NR)) printf "\n"
  }'

rekey "$@"
