# shellcheck shell=bash
# Clients of database servers: which of several is taken, and how they learn who signs in. Before it
# stands `reveal NAME`; the secret `login` is the one file that a client reads, see engine/logins.py.
# It reaches the client as a descriptor of its own: it is in no command line, environment or file.

# lonely_clients: nothing that lies in a home directory or was exported changes what a client does.
# MySQL's reads ~/.mylogin.cnf whatever it is told (dev.mysql.com/doc/refman/8.4/en/option-file-options.html),
# unless this variable names another file.
lonely_clients() {
  unset "${!PG@}" "${!PSQL@}" "${!MYSQL@}" "${!MARIADB@}" "${!LIBMYSQL@}"
  export HOME=/nonexistent MYSQL_TEST_LOGIN_FILE=/nonexistent/login PGPASSFILE=/nonexistent/pgpass
}

# first_of NAME…: the first program that is there.
first_of() {
  local name
  for name; do
    if command -v "$name" >/dev/null; then
      printf '%s\n' "$name"
      return 0 # said, since in a trap a bare return is the status from before it
    fi
  done
  return 1
}

# newest_postgres: the folder of the newest clients, or nothing. What Debian has in /usr/bin is a
# wrapper that chooses by files in /etc and in the home directory: of one version it comes last.
newest_postgres() {
  local folder
  for folder in /usr/lib/postgresql*/bin /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql*/ \
    /usr/local/pgsql/bin /usr/local/bin /usr/bin; do
    folder=${folder%/}
    if [ -x "$folder/psql" ] && [ -x "$folder/pg_dump" ]; then
      printf '%s %s\n' "$(postgres_version "$folder/pg_dump")" "$folder"
    fi
  done | sort -k 1,1V -k 2,2 | tail -n 1 | cut -d ' ' -f 2-
}

# postgres_version PROGRAM
postgres_version() {
  timeout 3 "$1" --version 2>/dev/null </dev/null | grep -Eo '[0-9]+(\.[0-9]+)*' | head -n 1
}

# mysql_client SECONDS PROGRAM OPTION…: no option file is read but that of the login.
mysql_client() {
  timeout -k 1 "$1" "$2" --defaults-file=/dev/fd/8 --default-character-set=utf8mb4 "${@:3}" 8< <(reveal login)
}

# postgres_client SECONDS PROGRAM DATABASE OPTION…
postgres_client() {
  PGSERVICEFILE=/dev/fd/8 timeout -k 1 "$1" "$2" --no-password "${@:4}" \
    --dbname="service=cloudpilot connect_timeout=5 application_name=cloudpilot dbname=$(conninfo_quoted "$3")" 8< <(reveal login)
}

# conninfo_quoted TEXT: as a value in a connection string, whatever it holds.
conninfo_quoted() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}
