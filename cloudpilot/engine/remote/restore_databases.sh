# shellcheck shell=bash
# shellcheck disable=SC2154 # what to restore stands before this, written by engine/restored_databases.py, one
#   element for each database I: engines=(mariadb|mysql|postgresql) numbers=(its number in the archive)
#   backed_up=(its name there) names=(the one it is restored as) methods=(swap|in_place) owners=(role|'')
#   strip_definers=(yes|''), and restore_key, lock_seconds. The option file of I is the secret login_I.
# shellcheck disable=SC2034 # new, old, asks_as, unexplained: for the families' scripts
# Databases of a restore: each is imported beside the one that it is to replace, compared, and takes its
# place; what was there before stays beside until it is forgotten. After asking.sh, mysql_asking.sh and
# postgresql_asking.sh; how an engine does it is in restore_mysql.sh and restore_postgresql.sh, as FAMILY_….
#
# Who calls this has `members_of NUMBER NAME` and the folder $kept, which outlives the run. In $kept/db-I:
#
#   journal    a word a line, each on the disk before what it says is done
#   the rest   what is needed to go back
#
# databases_prepare, _import and _swap fail; _undoable, _back, _discard and _forget, which also stand where a
# run ends, return a status and leave a sentence in databases_said. They may be called again, whatever was
# killed.

databases_said=''

# databases_prepare: everything that can be known before is as it must be. Nothing is changed.
databases_prepare() {
  local i
  for i in "${!engines[@]}"; do
    database_step prepare "$i"
  done
}

# databases_import: beside what is there, compared with what the archive says of itself.
databases_import() {
  local i
  for i in "${!engines[@]}"; do
    database_step import "$i"
    progress "$((i + 1))" "${#engines[@]}"
  done
}

# databases_swap: each takes its place. What goes over what is there cannot be undone: it comes last.
databases_swap() {
  local i how
  for how in swap in_place; do
    for i in "${!engines[@]}"; do
      [ "${methods[i]}" != "$how" ] || database_step swap "$i"
    done
  done
}

# databases_undoable: whether everything may be put back: 100 if what cannot be undone has been done, so that
# all of the restore stays; another status if nobody can say, and then nothing may be put back.
databases_undoable() {
  local i status worst=0
  databases_said=''
  for i in "${!engines[@]}"; do
    [ "${methods[i]}" = in_place ] || continue # of others nothing needs to be known
    database_alone undoable "$i"
    status=$?
    ((status == 0)) || worst=$status
  done
  return "$worst"
}

# databases_back: everything is as it was before the swap, whatever moment that was killed in.
databases_back() {
  each_database back
}

# databases_discard: of what was imported beside, nothing is left.
databases_discard() {
  each_database discard
}

# databases_forget: the previous state is gone for good.
databases_forget() {
  each_database forget
}

# database_step VERB I: in a process of its own, so that a signal is heard at once.
database_step() {
  local status sentence=''
  rm -f work/sentence
  in_background database_do "$@"
  status=$?
  ((status)) || return 0
  [ ! -s work/sentence ] || read -r status sentence <work/sentence
  ((status <= 128)) || fail 76 "What restores the database $(shown "${names[$2]}") was killed on the server."
  fail "$status" "${sentence:-The database $(shown "${names[$2]}") could not be restored.}"
}

# each_database VERB: the last one first; what fails with one keeps none of the others from it.
each_database() {
  local i status worst=0
  databases_said=''
  for ((i = ${#engines[@]} - 1; i >= 0; i--)); do
    database_alone "$1" "$i"
    status=$?
    ((status == 0)) || worst=$status
  done
  return "$worst"
}

# database_alone VERB I: returns its status, and adds to databases_said why it is not 0.
database_alone() {
  local status said
  rm -f work/sentence
  # Who ends the run's processes would end what undoes their work.
  (export -n CLOUDPILOT_RUN; database_do "$@")
  status=$?
  ((status)) || return 0
  said="The database $(shown "${names[$2]}") could not be looked after."
  [ ! -s work/sentence ] || read -r status said <work/sentence
  databases_said+="${databases_said:+ }$said"
  ((status <= 128)) || status=76
  return "$status"
}

# database_do VERB I
database_do() {
  number=${numbers[$2]} name=${names[$2]} method=${methods[$2]} i=$2
  new=cp_${restore_key}_${i}_new old=cp_${restore_key}_${i}_old
  mine=$kept/db-$i
  asks_as=cp-$restore_key-$i # at the server, of every session of this restore
  unexplained=111
  lonely_clients
  family "$i"
  [ -d "$mine" ] || [ "$1" = prepare ] || return 0 # nothing was ever begun
  [ "$1" = prepare ] || same_target
  "${family}_tools" "$i"
  "${family}_restore_$1"
}

## journal

# note WORD: on the disk before it is done.
note() {
  { printf '%s\n' "$1" >>"$mine/journal" && sync "$mine/journal"; } || disk_full
}

noted() {
  grep -qxF -e "$1" "$mine/journal" 2>/dev/null
}

# keep NAME: what comes in, whole or not at all.
keep() {
  { cat >"$mine/$1.new" && sync "$mine/$1.new" && mv -f -- "$mine/$1.new" "$mine/$1" && sync "$mine"; } || disk_full
}

# recall NAME: sets `recalled`; fails if it was not kept, since nobody can go on without.
recall() {
  recalled=$(<"$mine/$1") || give_up 96 "What was kept of the restore of $(shown "$name") cannot be read: $1."
} 2>/dev/null

# begin_journal: which database this is about.
begin_journal() {
  mkdir -p "$mine" || disk_full
  noted prepared && return
  printf '%s %s\n' "${engines[i]} $method" "$(in_hex "$name")" | keep target
  note prepared
}

# same_target: what is put back is what was changed.
same_target() {
  recall target
  [ "$recalled" = "${engines[i]} $method $(in_hex "$name")" ] ||
    give_up 81 "What was kept of this restore is of another database than $(shown "$name")."
}

# in_hex TEXT
in_hex() {
  printf %s "$1" | od -An -v -tx1 | tr -d ' \n'
}

## what both families do

# may_go_back: whether something of the previous state is to be put back; fails if it is gone.
may_go_back() {
  ! noted forget || give_up 96 "The previous state of $(shown "$name") was given up: there is no way back to it."
  noted swap && ! noted went_back
}

# may_forget: whether there is a previous state; never one that is half put back, or half replaced.
may_forget() {
  noted swap || return
  noted swapped || noted went_back || give_up 96 "The restore of $(shown "$name") is half done: put it back first."
  ! noted back || noted went_back || give_up 96 "$(shown "$name") is half put back: put it back first."
}

# only_way_back: of what was restored in place nothing is kept here.
only_way_back() {
  echo safe-mode | keep way_back
  give_up 96 "$(shown "$name") was restored in place: its previous state is in the backup that was made before."
}

# compared COUNTS: with the archive's own census; what is missing is said, and ends the run.
compared() {
  local said
  members_of "$number" census.json >work/census.in || give_up 94 'The census in the archive cannot be read.'
  said=$(perl compare.pl "$family" work/census.in <"$1") && return
  give_up 90 "What was imported of $(shown "$name") is not what the archive holds: ${said:-it cannot be compared.}"
}

# of_census KEY: the words of a list in the archive's census, in hexadecimal, a line each.
of_census() {
  members_of "$number" census.json >work/census.in && perl compare.pl list work/census.in "$1"
}

# room_at FOLDER: of a database server on this machine; of others nobody here knows. It takes a verified
# archive, which says how large the database is.
room_at() {
  local blocks size whole needed
  read -r needed < <(of_census bytes)
  read -r blocks size whole < <(stat -f -c '%a %S %b' -- "$1" 2>/dev/null) || return 0
  [[ $needed =~ ^[0-9]{1,18}$ ]] && ((whole)) && ((blocks * size < needed)) || return 0
  give_up 71 "$brand has $(human $((blocks * size))) of free disk; $(shown "$name") needs $(human "$needed") more."
}
