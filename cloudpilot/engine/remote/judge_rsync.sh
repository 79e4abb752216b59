# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what tree.sh sets and reads
# What rsync said, judged as judge.sh does it of tar: a single name that vanished or cannot be read is a
# warning and counted, anything else is a failure.

# judge_rsync STATUS
judge_rsync() {
  local line
  unreadable=0 vanished=0 harmless=0 trouble='' trouble_status=70
  while IFS= read -r line; do
    judge_rsync_line "$line"
  done <work/rsync.errors
  [ -z "$trouble" ] || fail "$trouble_status" "$trouble."
  case $1 in
    0) ;;
    23 | 24) ((unreadable + vanished + harmless)) || fail 70 "rsync ended with status $1 and named no file." ;;
    9 | 12 | 19 | 20) fail 76 'rsync was killed on the server: out of memory, perhaps?' ;;
    *)
      (($1 <= 128)) || fail 76 'rsync was killed on the server: out of memory, perhaps?'
      fail 70 "rsync ended with status $1 and gave no reason." ;;
  esac
}

# judge_rsync_line LINE: what rsync cannot print it has escaped, so a line is a line. Which of its processes
# speaks (“[sender]”) is said by newer ones alone.
judge_rsync_line() {
  local said=${1#rsync: } name
  said=${said#'[sender] '}
  name=${said#*\"} name=${name%%\"*}
  case $1 in
    '' | 'rsync error: '* | 'rsync warning: '* | 'IO error encountered -- skipping '*) ;;
    *': No space left on device (28)' | *': Disk quota exceeded (122)')
      trouble=$(full "$backup_root" 'while the tree was written' "$1") trouble_status=71
      trouble=${trouble%.} ;;
    *': Input/output error (5)') worse "$said" 74 ;;
    '--link-dest arg does not exist: '*) base='' whole_because=base_missing ;; # deleted meanwhile
    'file has vanished: '*) gone "$name" ;;
    'skipping non-regular file '*) unread "$name is a device: it was left out, only root may make one" ;;
    'WARNING: '*' failed verification -- update discarded (will try again).') ;;
    'ERROR: '*' failed verification -- update discarded.')
      unread "${1#ERROR: }" ;;
    *) judge_reading "$said" "$name" ;;
  esac
}

# judge_reading SAID NAME: what was to be read; the words of what is written are others.
judge_reading() {
  case $1 in
    'send_files failed to open '*': Permission denied (13)' | 'opendir '*': Permission denied (13)' | \
      'readlink_stat('*': Permission denied (13)' | 'link_stat '*': Permission denied (13)' | \
      'change_dir '*': Permission denied (13)' | 'get_xattr_'*': Permission denied (13)' | \
      'send_files failed to open '*': Operation not permitted (1)')
      unread "$2 could not be read: permission denied" ;;
    'send_files failed to open '*': No such file or directory (2)' | \
      'opendir '*': No such file or directory (2)' | 'link_stat '*': No such file or directory (2)' | \
      'readlink_stat('*': No such file or directory (2)')
      gone "$2" ;;
    *': Permission denied (13)') of_a_closed_folder "$2" || worse "$1" 70 ;;
    *) worse "$1" 70 ;;
  esac
}

# of_a_closed_folder NAME: newer ones say once more of a folder that we may not read, and that is closed in our
# trees as well, that they cannot. Whether it is as it should be is looked at later, see `differing`.
of_a_closed_folder() {
  local name=${1##*/work/tree/files}
  [ "$privilege" = plain ] && [ -d "$name" ] && ! [ -r "$name" ] && ((harmless += 1))
}

# unread SENTENCE, gone NAME: a warning.
unread() {
  ((unreadable += 1))
  warn "$1."
}

gone() {
  ((vanished += 1))
  warn "$1 was removed before it was read."
}

# worse SENTENCE STATUS: a failure; a full disk is the cause of what is said beside it.
worse() {
  ((trouble_status == 71)) || trouble="rsync: $1" trouble_status=$2
}
