# shellcheck shell=bash
# become_root SCRIPT_BASE64 WORD…: runs a script as root, with these words, and gives its answer.

become_root() {
  command -v sudo >/dev/null || fail 83 'sudo is not installed.'
  sudo -n true 2>/dev/null || fail 83 "sudo does not let $(id -un) work without a password."
  printf %s "$1" | base64 -d | sudo -n bash -s -- "${@:2}"
}

become_root "$@"
