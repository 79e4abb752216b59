# shellcheck shell=bash
# shellcheck disable=SC2154 # `until` and the functions named below stand before this:
#   mysql_start, mysql_tables: print mysql_start.sql and mysql_tables.sql
# MySQL and MariaDB. After clients.sh, before inspect.sh.

# inspect_mysql ENGINE
inspect_mysql() {
  local client
  open_mysql "$1" || return
  mysql_tables | ask_mysql --force 2>/dev/null
}

# open_mysql ENGINE: what is there, who may do what. Sets client, which is the caller's. 1: no server answers.
open_mysql() {
  local dumper name said status
  case $1 in
    mysql) client=$(first_of mysql mariadb) dumper=$(first_of mysqldump mariadb-dump) ;;
    *) client=$(first_of mariadb mysql) dumper=$(first_of mariadb-dump mysqldump) ;;
  esac
  for name in $client $dumper; do
    tool "$name" "$name"
  done
  [ -n "$client" ] || return
  said=$(mysql_start | ask_mysql 2>&1)
  status=$?
  if ((status)); then
    refused "$status" "$said"
    return 1
  fi
  printf '%s\n' "$said"
  mysql_grants "$said"
}

# ask_mysql OPTION…: the statements come on standard input.
ask_mysql() {
  mysql_client "$(left)" "$client" --connect-timeout=5 --batch --skip-column-names "$@"
}

# mysql_grants ROWS: those of the user and of the roles that are active. MariaDB tells of both at once;
# MySQL wants to be asked for the roles. The hash of a password, which it tells as well, stays there.
mysql_grants() {
  local word role
  {
    printf '%s\n' "SET SESSION sql_mode=''; SHOW GRANTS" | ask_mysql 2>/dev/null
    while read -r word role; do
      [ "$word" = mysql_role ] && printf '%s\n' "SHOW GRANTS FOR CURRENT_USER() USING $role" | ask_mysql 2>/dev/null
    done < <(printf '%s\n' "$1")
  } | sed -e '/ ON \*\.\* TO /s/ IDENTIFIED .*//' -e 's/^/grant /' | head -c 300000
  echo
}
