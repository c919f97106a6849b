package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Limits of a list: a kubelet runs 110 pods unless it is configured to run more.
const (
	maxPods       = 10_000
	maxContainers = 1000 // of a pod
)

// podJSON has the fields of a v1.Pod that are read.
type podJSON struct {
	Metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		UID         string            `json:"uid"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Status struct {
		Init      []statusJSON `json:"initContainerStatuses"`
		Ordinary  []statusJSON `json:"containerStatuses"`
		Ephemeral []statusJSON `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

type statusJSON struct {
	Name string `json:"name"`
	// ContainerID has the runtime before it: containerd://ID.
	ContainerID string `json:"containerID"`
}

// staticUID is the annotation with the UID in a static pod's cgroup, if the API server
// has given the pod another.
const staticUID = "kubernetes.io/config.hash"

// decode reads a v1.PodList, one pod at a time: up to maxPods of them. It also returns
// the number of further pods.
func decode(r io.Reader) (pods map[string]*pod, more int, err error) {
	d := json.NewDecoder(r)
	if err := open(d, '{'); err != nil {
		return nil, 0, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, 0, err
		}
		switch key {
		case "items":
			pods, more, err = decodePods(d)
		case "kind":
			err = isList(d)
		default:
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if _, err := d.Token(); err != nil { // the end of a complete list
		return nil, 0, err
	}
	if pods == nil {
		return nil, 0, errors.New("it has no items")
	}
	return pods, more, nil
}

func open(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%v where %v was to be", t, want)
	}
	return err
}

func isList(d *json.Decoder) error {
	var kind string
	if err := d.Decode(&kind); err != nil {
		return err
	}
	if kind != "PodList" {
		return fmt.Errorf("it is a %q, and no PodList", kind)
	}
	return nil
}

func decodePods(d *json.Decoder) (pods map[string]*pod, more int, err error) {
	pods = map[string]*pod{}
	switch t, err := d.Token(); {
	case err != nil:
		return nil, 0, err
	case t == nil: // null is an empty list
		return pods, 0, nil
	case t != json.Delim('['):
		return nil, 0, fmt.Errorf("%v where a list was to be", t)
	}
	for d.More() {
		var j podJSON
		if err := d.Decode(&j); err != nil {
			return nil, 0, err
		}
		switch p := j.pod(); {
		case p == nil:
		case len(pods) >= maxPods:
			more++
		default:
			pods[j.Metadata.UID] = p
			if static := j.Metadata.Annotations[staticUID]; static != "" {
				pods[static] = p
			}
		}
	}
	_, err = d.Token()
	return pods, more, err
}

// name matches a name as Kubernetes allows it (RFC 1123).
var name = regexp.MustCompile(`^[a-z0-9][-a-z0-9.]{0,252}$`)

// pod returns nil for an invalid entry.
func (j *podJSON) pod() *pod {
	m := &j.Metadata
	if m.UID == "" || !name.MatchString(m.Name) || !name.MatchString(m.Namespace) {
		return nil
	}
	p := &pod{namespace: m.Namespace, name: m.Name, containers: map[string]string{}}
	for _, list := range [][]statusJSON{j.Status.Init, j.Status.Ordinary, j.Status.Ephemeral} {
		for _, c := range list {
			_, id, ok := strings.Cut(c.ContainerID, "://")
			if ok && name.MatchString(c.Name) && len(p.containers) < maxContainers {
				p.containers[id] = c.Name
			}
		}
	}
	return p
}
