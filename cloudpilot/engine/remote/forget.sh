# shellcheck shell=bash
# shellcheck disable=SC2154 # restore_id and privilege stand before this, see engine/restoring.py
# What was there before a restore goes for good. May be done again.

kept=$backup/kept

begin
stage forget
choose_rights
if [ -d "$kept" ]; then
  ! declare -F databases_forget >/dev/null || databases_forget || fail 70 "$databases_said"
  clear_stagings || fail 70 "$(tail -n 1 work/trouble)"
fi
echo complete=1 >work/result || fail 71 "$(full "$run")"
mv -T work/result result
say 'What was there before is gone.'
