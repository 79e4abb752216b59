# shellcheck shell=bash
# shellcheck disable=SC2154 # privilege stands before this, see engine/restoring.py
# Who puts files in their place: root, if we are root or may become it. After rights.sh.

# choose_rights: sets rootly, what a command begins with.
choose_rights() {
  rootly=()
  ((EUID)) && [ "$privilege" = full ] || return 0
  need_privilege
  rootly=(sudo -n env -i LC_ALL=C "PATH=$PATH" "CLOUDPILOT_RUN=$CLOUDPILOT_RUN")
}

# as_rights COMMAND…: always in a process of its own, that whoever stops the run finds.
as_rights() (
  note_reader || exit 71
  exec "${rootly[@]}" "$@"
)

# keeps_owners: whether what we write can belong to anybody.
keeps_owners() {
  ((EUID == 0 || ${#rootly[@]}))
}
