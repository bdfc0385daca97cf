# shellcheck shell=bash
# Debian packages and Python tools. Sourced by ./dev.

venv=.tools/venv

as_root() {
  if [[ $(id -u) == 0 ]]; then
    env "$@"
  else
    sudo env "$@"
  fi
}

# The packages of our list that are neither installed nor provided by one that is
# (a nodejs that is not Debian's has npm in it).
missing_packages() {
  local package provided
  provided=$(dpkg-query -W -f '${db:Status-Status} ${Provides}\n' | sed -n 's/^installed //p' |
    tr ',' '\n' | sed 's/^ *//; s/ .*//')
  grep -v -e '^#' -e '^$' tools/debian-packages.txt | while read -r package; do
    # An || inside of $() would hide that dpkg-query does not know the package.
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      grep --quiet --line-regexp --fixed-strings "$package" <<<"$provided" || echo "$package"
  done
}

# SYSTEMD_OFFLINE: the ceph packages are here for tests to start daemons of their
# own; their maintainer scripts are not to start any.
apt() {
  as_root DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 \
    apt-get -qq -o DPkg::Lock::Timeout=300 -o APT::Install-Recommends=false "$@"
}

install_packages() {
  command -v dpkg-query >/dev/null || die "this needs Debian 12: there is no dpkg-query here"
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  [[ $(id -u) == 0 ]] || command -v sudo >/dev/null ||
    die "not root and no sudo; install these first: ${missing[*]}"
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  quietly .tools/log/apt-update.log apt update ||
    die "apt-get update failed (.tools/log/apt-update.log)"
  quietly .tools/log/apt-install.log apt install --yes "${missing[@]}" ||
    die "apt-get install failed (.tools/log/apt-install.log)"
}

# The virtual environment, made again only when its list of packages changed.
install_tools() {
  local list=tools/python-requirements.txt stamp=$venv/made-from
  cmp --silent "$list" "$stamp" && return
  say "installing Python tools in $venv"
  rm -rf "$venv"
  quietly .tools/log/venv.log /usr/bin/python3 -m venv "$venv" ||
    die "the virtual environment $venv can't be made (.tools/log/venv.log)"
  quietly .tools/log/pip.log "$venv/bin/pip" install --disable-pip-version-check -r "$list" ||
    die "pip can't install $list (.tools/log/pip.log)"
  cp "$list" "$stamp"
}
