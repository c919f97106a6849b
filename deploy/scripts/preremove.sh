#!/bin/sh
# Before a removal: deb says remove, rpm 0, others nothing. At an upgrade, upgrade or 1, the service goes on.
set -e
case "${1:-remove}" in
remove | 0) ;;
*) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now ktlstop.service
