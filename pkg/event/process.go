package event

import (
	"bytes"
	"strings"
)

// Comm is the name of a task as the kernel keeps it: at most 15 bytes, padded with NUL.
// The task chooses it, so that it must be escaped before it is shown.
type Comm [16]byte

// String returns the bytes before the first NUL, unescaped.
func (c Comm) String() string { return string(c[:c.len()]) }

func (c *Comm) len() int {
	if i := bytes.IndexByte(c[:], 0); i >= 0 {
		return i
	}
	return len(c)
}

// MakeComm returns s, truncated to the 15 bytes that the kernel keeps.
func MakeComm(s string) (c Comm) {
	copy(c[:15], s)
	return c
}

// Process is the task in whose call something happened. It is zero if the kernel did it
// outside of any call.
type Process struct {
	// PID is the process id, TID the thread id and UID the real user id, as the initial
	// namespaces number them.
	PID, TID, UID uint32
	Comm          Comm
	// Kernel reports that the task is a kernel thread (NVMe/TCP, NFS).
	Kernel bool
	// CgroupID is the inode number of the cgroup (version 2).
	CgroupID uint64
	// Place is the unit, container and pod of the cgroup. The kernel does not know
	// them: Place is nil until a consumer looks them up.
	Place *Place
}

// Place is the systemd unit, the container and the pod that a process runs in. Fields that
// do not apply, or that are not known (yet), are empty. Many processes share a Place:
// nobody may change it.
type Place struct {
	// Unit is the systemd unit: a service, a scope or a slice.
	Unit string
	// Container is the id of the container.
	Container string
	// Namespace, Pod and ContainerName are names of Kubernetes, and PodUID is its id of
	// the pod.
	Namespace, Pod, ContainerName, PodUID string
}

// In returns the Place of the process, or an empty Place if it is not known.
func (p *Process) In() Place {
	if p.Place == nil {
		return Place{}
	}
	return *p.Place
}

// SamePlace reports whether p and q have equal Places.
func (p *Process) SamePlace(q *Process) bool { return p.Place == q.Place || p.In() == q.In() }

// Name returns the name of the task, with the prefix "kernel:" for a kernel thread and for
// no other task. The task chose the name, which may not be UTF-8.
func (p *Process) Name() string {
	var room [32]byte
	return string(p.AppendName(room[:0]))
}

// TaskName returns the name of a task in the kernel from the one that is printed: it
// removes the prefix of a kernel thread.
func TaskName(printed string) string {
	for _, prefix := range []string{"kernel:", "k:"} {
		if name, ok := strings.CutPrefix(printed, prefix); ok && name != "" {
			return name
		}
	}
	return printed
}

// AppendName appends Name to b. If a program calls itself "kernel:x", the byte 0xff, which
// no output shows as a colon, replaces the colon: the prefix proves a kernel thread.
func (p *Process) AppendName(b []byte) []byte {
	const prefix = "kernel:"
	comm := p.Comm[:p.Comm.len()]
	if p.Kernel {
		b = append(b, prefix...)
	} else if last := len(prefix) - 1; bytes.HasPrefix(comm, []byte(prefix)) {
		b = append(append(b, comm[:last]...), 0xff)
		comm = comm[last+1:]
	}
	return append(b, comm...)
}
