package cgroup

import "regexp"

// runtimes are the ways in which container runtimes name a cgroup after the
// 64 digits of a container's id: docker and podman with the cgroupfs driver or
// kubepods (the id alone), and with systemd a scope with their own prefix
// (docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope), as
// podman has inside of a unit's cgroup too (libpod-payload-ID), and CRI-O in all. A
// scope of a monitor (crio-conmon-ID.scope) is not the container.
var runtimes = regexp.MustCompile(`^(?:(?:docker|cri-containerd|crio|nerdctl|libpod|libpod-payload)-)?([0-9a-f]{64})(?:\.scope)?$`)
