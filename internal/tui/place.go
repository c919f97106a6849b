package tui

import (
	"strings"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// podName is a pod with its namespace, or its UID as long as its names are not known;
// empty without a pod.
func podName(at *event.Place) string {
	if at.Pod == "" {
		return at.PodUID
	}
	return at.Namespace + "/" + at.Pod
}

// shortContainer is a container's id as docker ps shows it.
func shortContainer(at *event.Place) string { return at.Container[:min(len(at.Container), 12)] }

// placeName is what people call the place where a process runs: the container in its
// pod, a service, a container, or what else systemd has.
func placeName(p *event.Process) string {
	at := p.In()
	switch pod := podName(&at); {
	case pod != "" && at.ContainerName != "":
		return pod + "/" + at.ContainerName
	case pod != "":
		return pod
	case at.Container != "" && !strings.HasSuffix(at.Unit, ".service"):
		return shortContainer(&at)
	}
	return at.Unit
}
