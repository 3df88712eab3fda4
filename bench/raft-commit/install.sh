#!/bin/sh
# Installs what `npm run bench -- raft-commit` compares with, from Debian: etcd, and h2load, which loads it. Asks nothing, starts no daemon:
# the bench runs etcd itself, in a folder of its own. Needs root.
set -eu
[ "$(id -u)" -eq 0 ] || { echo 'bench:install: needs root (apt-get installs packages)' >&2; exit 2; }
command -v apt-get >/dev/null || { echo 'bench:install: needs Debian or a relative of it (no apt-get here)' >&2; exit 2; }

policy=/usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive

# 101: "action forbidden by policy", so that the package's first installation starts nothing. An existing policy is kept.
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

fresh=true
dpkg -s etcd-server >/dev/null 2>&1 && fresh=false
apt-get update -q
apt-get install -q -y --no-install-recommends etcd-server nghttp2-client

# A first installation enables the service for the next boot; nobody asked for that. Where etcd was in use it stays as it was.
if "$fresh" && command -v systemctl >/dev/null; then
  systemctl disable etcd.service
fi
