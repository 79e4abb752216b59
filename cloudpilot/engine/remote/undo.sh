# shellcheck shell=bash
# shellcheck disable=SC2154 # restore_id and privilege stand before this, see engine/restoring.py
# All as it was before a restore, however far that came. May be done again, and where nothing was done.
# Where what cannot be undone was done, nothing is put back, and the result says `stands=1`.

kept=$backup/kept

for_databases() {
  ! declare -F "databases_$1" >/dev/null || "databases_$1"
}

# end_others: of the restore itself and of earlier runs like this one nothing works any more. Who hears
# TERM puts back what it has done.
end_others() {
  local other left
  for other in "$backup"/run-*; do
    [ "$other" != "$run" ] || continue
    touch -- "$other/stop"
    for ((left = 400; left > 0; left--)); do
      others "$other" || break
      ((left != 400)) || signal_others TERM
      ((left != 60)) || signal_others KILL
      in_background sleep 0.1
    done
    ! others "$other" || fail 80 'What was at work before does not end.'
  done
}

# others RUN_DIRECTORY: sets `pids`, those that work for that run, as we see them and as root does.
others() {
  local mark=${backup##*/}/${1##*/run-}
  pids=$(processes "$mark" "$1")
  ((${#rootly[@]} == 0)) || pids+=" $(marked "$mark" as_root 2>/dev/null)"
  [ -n "${pids// /}" ]
}

signal_others() {
  local pid
  for pid in $pids; do signal "$1" "$pid"; done
}

# all_back: first the files, then the databases.
all_back() {
  put_back || fail 70 "It could not be put back: $(tail -n 1 work/trouble)"
  for_databases back || fail 70 "${databases_said:-The databases could not be put back.}"
  for_databases discard || fail 70 "${databases_said:-What was imported is still there.}"
  clear_stagings || fail 70 "$(tail -n 1 work/trouble)"
}

begin
stage back
choose_rights
end_others
words=(complete=1) said='Everything is as it was.'
if [ -d "$kept" ]; then
  for_databases undoable
  case $? in
    0) all_back ;;
    100) words+=(stands=1) said=$databases_said ;;
    *) fail 70 "${databases_said:-It is not known whether the restore can be undone.}" ;;
  esac
fi
sync
printf '%s\n' "${words[@]}" >work/result || fail 71 "$(full "$run")"
mv -T work/result result
say "$said"
