# shellcheck shell=bash
# shellcheck disable=SC2154 # restore_id and privilege stand before this, see engine/restoring.py
# All as it was before a restore, however far that came. May be done again, and where nothing was done.

kept=$backup/kept

for_databases() {
  ! declare -F "databases_$1" >/dev/null || "databases_$1"
}

begin
stage back
choose_rights
if [ -d "$kept" ]; then
  put_back || fail 70 "It could not be put back: $(tail -n 1 work/trouble)"
  for_databases back || fail 70 'The databases could not be put back.'
  for_databases discard
  clear_stagings || fail 70 "$(tail -n 1 work/trouble)"
fi
sync
echo complete=1 >work/result || fail 71 "The disk of $(shown "$run") is full."
mv -T work/result result
say 'Everything is as it was.'
