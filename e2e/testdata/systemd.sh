#!/bin/sh
# The first process of a machine that has one service: its systemd knows the units that are installed from now on, and
# none of this machine's. $1 is a directory for what the service says.
set -e
mount -t proc proc /proc
for dir in /usr/lib/systemd/system /etc/systemd/system; do mount -t tmpfs tmpfs $dir; done
for target in sysinit basic multi-user network shutdown; do
	printf '[Unit]\nDefaultDependencies=no\n' >/usr/lib/systemd/system/$target.target
done
mkdir /usr/lib/systemd/system/ktlstop.service.d
printf '[Service]\nStandardError=append:%s/said\n' "$1" >/usr/lib/systemd/system/ktlstop.service.d/said.conf
# No generators: they would make units of this machine's configuration.
exec env -i PATH="$PATH" container=guest SYSTEMD_LOG_TARGET=console SYSTEMD_GENERATOR_PATH="$1" \
	SYSTEMD_ENVIRONMENT_GENERATOR_PATH="$1" /lib/systemd/systemd --system --unit=multi-user.target --show-status=no
