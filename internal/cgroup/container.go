// Package cgroup finds out which container a cgroup belongs to.
package cgroup

import (
	"regexp"
	"strings"
)

// runtimes are the ways in which container runtimes name a cgroup after the
// 64 digits of a container's id: docker and podman with the cgroupfs driver or
// kubepods (the id alone), and with systemd a scope with their own prefix
// (docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope). A
// scope of a monitor (crio-conmon-ID.scope) is not the container.
var runtimes = regexp.MustCompile(`^(?:(?:docker|cri-containerd|crio|libpod)-)?([0-9a-f]{64})(?:\.scope)?$`)

// ContainerOf returns the container id in a cgroup's path, of the innermost
// container where there are several, empty if there is none that is known.
func ContainerOf(path string) string {
	parts := strings.Split(path, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if m := runtimes.FindStringSubmatch(parts[i]); m != nil {
			return m[1]
		}
	}
	return ""
}
