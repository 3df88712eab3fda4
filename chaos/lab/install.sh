#!/bin/sh
# Installs what the lab needs from Debian (12): a stock strongSwan client, ping, tshark; and strace, which a test of Raft needs. Asks
# nothing, and starts no daemon: strongSwan in the root namespace would take UDP 500 and 4500 and install policies of its own. Needs root.
set -eu
[ "$(id -u)" -eq 0 ] || { echo 'lab:install: needs root (apt-get installs packages)' >&2; exit 2; }
command -v apt-get >/dev/null || { echo 'lab:install: needs Debian or a relative of it (no apt-get here)' >&2; exit 2; }

packages='charon-systemd strongswan-swanctl strongswan-charon strongswan-starter libcharon-extra-plugins libstrongswan-extra-plugins
  libstrongswan-standard-plugins iproute2 iputils-ping nftables tshark procps strace'
policy=/usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive

# 101: "action forbidden by policy", so that a package's first installation starts nothing. An existing policy is kept.
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

fresh=true
dpkg -s strongswan-starter >/dev/null 2>&1 && fresh=false
echo 'wireshark-common wireshark-common/install-setuid boolean false' | debconf-set-selections
apt-get update -q
# shellcheck disable=SC2086 -- the list is split on purpose
apt-get install -q -y --no-install-recommends $packages

# A first installation enables the services for the next boot; nobody asked for that. Where strongSwan was in use it stays as it was.
if "$fresh" && [ -d /run/systemd/system ]; then
  systemctl disable --now strongswan.service strongswan-starter.service
fi
