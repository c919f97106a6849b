#!/bin/sh
# After a removal, and with deb after a purge, which leaves nothing.
set -e
if [ "${1:-}" = purge ]; then
	rm -rf /var/lib/ktlstop /var/lib/private/ktlstop /var/cache/ktlstop
fi
[ ! -d /run/systemd/system ] || systemctl daemon-reload
