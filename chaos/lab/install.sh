#!/bin/sh
# Installs what the lab needs: a stock strongSwan client, ping, tshark (which a test of IKE needs, too); strace, which a test of Raft needs; and, for the nemesis, libfaketime
# and what makes and freezes file systems. No daemon is started: strongSwan in
# the root namespace would take UDP 500 and 4500 and install policies of its own.
set -eu
if command -v debconf-set-selections >/dev/null && [ "$(id -u)" -eq 0 ]; then
  echo 'wireshark-common wireshark-common/install-setuid boolean false' | debconf-set-selections
fi
exec "$(dirname "$0")/../../.ci/debian-packages" lab:install 'strongswan.service strongswan-starter.service' \
  strongswan-starter charon-systemd strongswan-swanctl strongswan-charon libcharon-extra-plugins libcharon-extauth-plugins libstrongswan-extra-plugins \
  libstrongswan-standard-plugins iproute2 iputils-ping nftables tshark procps strace faketime e2fsprogs util-linux mount
