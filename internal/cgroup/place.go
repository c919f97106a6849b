package cgroup

import (
	"regexp"
	"strings"
)

// Place is what the path of a cgroup says of the processes in it. What it does not
// say is empty.
type Place struct {
	// Unit is the innermost unit of systemd: a service or a scope, or else a slice.
	// What is made for one container or one pod is none, since it has that one's id in
	// its name; a unit inside of a container is one.
	Unit string
	// Container is the id of the innermost container.
	Container string
	// PodUID is that of the innermost pod of Kubernetes, and PodContainer the id of the
	// container of it: not of one inside of that, of which the kubelet knows nothing.
	PodUID, PodContainer string
}

// uid is a pod's UID as Kubernetes makes it, or the digest that is a static pod's.
// Drivers for systemd write "_" for "-".
const uid = `[0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12}`

var (
	// podSlice is what the systemd driver makes: kubepods-burstable-podUID.slice, and
	// kubelet-kubepods-podUID.slice below a root of its own, as kind has.
	podSlice = regexp.MustCompile(`^(?:.*-)?kubepods(?:-[a-z]+)?-pod(` + uid + `)\.slice$`)
	// podDir is what the cgroupfs driver makes below a directory kubepods.
	podDir = regexp.MustCompile(`^pod(` + uid + `)$`)
	// unitDir has the letters that systemd takes in a unit's name. It puts "_" before a
	// name that the kernel's own files could have (cg_escape of its cgroup-util.c).
	unitDir = regexp.MustCompile(`^_?([0-9A-Za-z:_.\\@-]+\.(service|scope|slice))$`)
	// anID is in the name of what is made for one container.
	anID = regexp.MustCompile(`[0-9a-f]{64}`)
)

// PlaceOf reads a path below the root of the cgroups.
func PlaceOf(path string) (p Place) {
	kubepods := false
	slice := ""
	for part := range strings.SplitSeq(path, "/") {
		if m := runtimes.FindStringSubmatch(part); m != nil {
			p.Container = m[1]
			if p.PodUID != "" && p.PodContainer == "" {
				p.PodContainer = m[1]
			}
			continue
		}
		kubepods = kubepods || part == "kubepods"
		if pod := podOf(part, kubepods); pod != "" {
			p.PodUID, p.PodContainer = pod, ""
			continue
		}
		switch unit, kind := unitOf(part); kind {
		case "service", "scope":
			p.Unit = unit
		case "slice":
			slice = unit
		}
	}
	if p.Unit == "" {
		p.Unit = slice
	}
	return p
}

// podOf is the UID in a directory's name, empty if it is no pod's.
func podOf(part string, kubepods bool) string {
	m := podSlice.FindStringSubmatch(part)
	if m == nil && kubepods {
		m = podDir.FindStringSubmatch(part)
	}
	if m == nil {
		return ""
	}
	return strings.ReplaceAll(m[1], "_", "-")
}

// unitOf is the unit in a directory's name, and of which kind it is; empty if it is
// none.
func unitOf(part string) (unit, kind string) {
	m := unitDir.FindStringSubmatch(part)
	if m == nil || anID.MatchString(part) {
		return "", ""
	}
	return m[1], m[2]
}
