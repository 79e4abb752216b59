# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is restored stands before this, written by engine/restoring.py:
#   restore_id=ID privilege=plain|read-all|full in_clear=yes
#   archives=(NAME…) archive_sizes=(BYTES…) archive_hashes=(SHA256…) archive_places=(PATH or ''…), by their levels
#   paths=(PATH…) tops=(PATH…), the site's own that each lies in; into=FOLDER user_excludes=(--exclude=…) exact=yes foreign=yes needed=BYTES needed_files=COUNT
#   is_part=yes: both are at most, since not all that is in the archives is wanted
# A restore. Nothing that is there is touched before all is fetched, verified and unpacked beside it; then
# it is renamed to its place, and what stood there is kept. Whatever fails is put back.

kept=$backup/kept

prepare() {
  stage prepare
  mkdir -p -- "$kept" || fail_to_note
  choose_hash
  choose_rights
  choose_unpacking
  ((${#paths[@]} == 0)) || plan_files
  foresee
  for_databases prepare
}

# for_databases STEP: see restore_databases.sh; without databases there is none.
for_databases() {
  ! declare -F "databases_$1" >/dev/null || "databases_$1"
}

# let_go: it has failed, or was stopped: all as it was. Where what cannot be undone was done, everything stays:
# the run that undoes finds that out, too, and says so.
let_go() {
  local undoable
  stage back
  for_databases undoable
  undoable=$?
  if ((undoable == 100)); then
    say "$databases_said"
  elif ((undoable)); then
    sentence="${sentence:-It failed.} Nothing was put back yet: $databases_said"
  elif back_to_before; then
    say 'Everything is as it was.'
    touch "$run/back"
  else
    sentence="${sentence:-It failed.} It could not be put back: $(tail -n 1 work/trouble)"
  fi
}

# back_to_before: in a process of its own, since it may `fail`.
back_to_before() (
  put_back || exit
  if ! for_databases back || ! for_databases discard; then
    printf '%s\n' "${databases_said:-The databases could not be put back.}" >work/trouble
    exit 1
  fi
  clear_stagings
)

finish() {
  stage finish
  tidy_stagings
  sync
  printf 'seconds=%s\ncomplete=1\n' "$SECONDS" >work/result || fail_to_note
  mv -T work/result result || fail_to_note
  in_background sync result .
  if [[ " ${methods[*]:-} " == *' in_place '* ]]; then
    say 'Restored. What was there before is in the safe-mode backup.'
  else
    say 'Restored. What was there before is kept.'
  fi
}

begin
prepare
fetch_all
verify_all
((${#paths[@]} == 0)) || unpack_files
stage import
for_databases import
stage swap
((${#paths[@]} == 0)) || swap_files
for_databases swap
finish
