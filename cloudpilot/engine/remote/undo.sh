# shellcheck shell=bash
# shellcheck disable=SC2154 # restore_id and privilege stand before this, see engine/restoring.py
# All as it was before a restore, however far that came. May be done again, and where nothing was done.

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

begin
stage back
choose_rights
end_others
if [ -d "$kept" ]; then
  put_back || fail 70 "It could not be put back: $(tail -n 1 work/trouble)"
  for_databases back || fail 70 "${databases_said:-The databases could not be put back.}"
  for_databases discard || fail 70 "${databases_said:-What was imported is still there.}"
  clear_stagings || fail 70 "$(tail -n 1 work/trouble)"
fi
sync
echo complete=1 >work/result || fail 71 "The disk of $(shown "$run") is full."
mv -T work/result result
say 'Everything is as it was.'
