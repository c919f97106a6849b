#!/bin/sh
# Before a removal. At an upgrade, of which deb says upgrade and rpm 1, the service goes on; others have no script for it.
set -e
case "${1:-remove}" in
upgrade | failed-upgrade | deconfigure | 1) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now ktlstop.service
