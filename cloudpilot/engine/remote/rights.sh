# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # privilege stands before this, see archive.sh; tar_tool, see measure.sh
# The tar that reads: plain as we are, or with the rights that the server was set up for.

READ_ALL=/usr/local/lib/cloudpilot/tar # by setup.sh: a tar that may read everything

# choose_tar: the one with the rights that the panel was promised. tar_tool is the same without
# them, where they are not needed.
choose_tar() {
  tar_tool=tar tar=(tar)
  need_privilege
  case $privilege in
    read-all) tar_tool=$READ_ALL tar=("$READ_ALL") ;;
    full) tar=(sudo -n env -i LC_ALL=C "PATH=$PATH" "CLOUDPILOT_RUN=$CLOUDPILOT_RUN" tar) ;;
  esac
}

# need_privilege: who was promised more and has less would leave things out without a word.
need_privilege() {
  case $privilege in
    read-all)
      [ -x "$READ_ALL" ] || fail 83 "$READ_ALL is not there, or $(id -un) may not run it."
      reads_all "$READ_ALL" || fail 83 "$READ_ALL may not read everything any more: its capability is gone." ;;
    full)
      has sudo || fail 83 'sudo is not installed.'
      sudo -n true 2>/dev/null || fail 83 "sudo does not let $(id -un) work without a password." ;;
  esac
}

# check_hidden PATH: by the tar that has the rights, since we may not see what it sees.
check_hidden() {
  local said
  said=$(listed "$1" 2>work/trouble)
  case $said in
    l*) fail 73 "$(shown "$1") is a link to ${said##* -> }." ;;
    '') missing "$1" "$(grep -m 1 'tar: ' work/trouble)" ;;
  esac
}

# listed PATH: as tar sees it: its type is the first letter.
listed() {
  "${tar[@]}" --create --file=/dev/null --no-recursion --verbose --verbose --absolute-names \
    --quoting-style=escape --no-unquote --numeric-owner -- "$1"
}

# note_reader: see ending.sh.
note_reader() {
  local me=$BASHPID
  [ "$privilege" = plain ] && return
  echo "$(identity "$me") $privilege" >reader.new && mv -f reader.new reader
}
