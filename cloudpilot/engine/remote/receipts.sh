# shellcheck shell=bash
# receipts ROOT BACKUP_ID UPLOAD_ID: what was sent of each item, a line for each part in order, the
# newest where there are several, and a last line for all of it; see upload.sh.

receipts() {
  local folder=$1/$2/upload-$3 name
  for name in archive index manifest; do
    [ -f "$folder/$name" ] || continue
    printf 'item %s\n' "$name"
    tac -- "$folder/$name" | grep -a '^[1-9]' | sort -s -n -u -k 1,1
    grep -a '^=' "$folder/$name" | tail -n 1
  done
  echo end
}

receipts "$@"
