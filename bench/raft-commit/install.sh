#!/bin/sh
# Installs what `npm run bench -- raft-commit` compares with: etcd, and h2load, which loads it. The bench runs etcd itself, in a folder of its own.
set -eu
exec "$(dirname "$0")/../../.ci/debian-packages" bench:install etcd.service etcd-server nghttp2-client
