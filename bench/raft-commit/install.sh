#!/bin/sh
# Installs what benches need: for raft-commit etcd, which it is compared with, and h2load, which loads it; for esp iperf3. The bench runs etcd itself, in a folder of its own.
set -eu
exec "$(dirname "$0")/../../.ci/debian-packages" bench:install etcd.service etcd-server nghttp2-client iperf3
