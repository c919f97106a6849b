package event

import (
	"bytes"
	"strings"
)

// Comm is a task's name as the kernel keeps it: at most 15 bytes, NUL padded,
// chosen by the task itself and therefore hostile.
type Comm [16]byte

// String returns the bytes before the first NUL, unescaped.
func (c Comm) String() string { return string(c[:c.len()]) }

func (c *Comm) len() int {
	if i := bytes.IndexByte(c[:], 0); i >= 0 {
		return i
	}
	return len(c)
}

// MakeComm cuts s to what the kernel would keep of it.
func MakeComm(s string) (c Comm) {
	copy(c[:15], s)
	return c
}

// Process is the task in whose call something happened. All zero means that
// the kernel did it by itself.
type Process struct {
	// PID is the process, TID the thread, UID the real user id, as the initial
	// namespaces number them.
	PID, TID, UID uint32
	Comm          Comm
	// Kernel tells a kernel thread (NVMe/TCP, NFS) from a program.
	Kernel bool
	// CgroupID is the inode number of the cgroup (version 2).
	CgroupID uint64
	// Place is what the cgroup stands for. The kernel does not know it: it is nil
	// until somebody looks it up.
	Place *Place
}

// Place is where a process runs, in the names that people use. What there is none of, or
// what nobody has told (yet), is empty. Many processes share a Place: it is never changed.
type Place struct {
	// Unit is systemd's: a service, a scope or a slice.
	Unit string
	// Container is the container's id.
	Container string
	// Namespace, Pod and ContainerName are Kubernetes' names, PodUID its id of the pod.
	Namespace, Pod, ContainerName, PodUID string
}

// In returns the process's Place, an empty one where it is not known.
func (p *Process) In() Place {
	if p.Place == nil {
		return Place{}
	}
	return *p.Place
}

// SamePlace says whether p and q run at the same Place.
func (p *Process) SamePlace(q *Process) bool { return p.Place == q.Place || p.In() == q.In() }

// Name is the task's name, "kernel:NAME" for a kernel thread and for nobody
// else. As others chose it, it may not be UTF-8.
func (p *Process) Name() string {
	var room [32]byte
	return string(p.AppendName(room[:0]))
}

// TaskName is the name that a task has in the kernel, of one that is printed: what says
// that it is a kernel thread's is no part of it.
func TaskName(printed string) string {
	for _, prefix := range []string{"kernel:", "k:"} {
		if name, ok := strings.CutPrefix(printed, prefix); ok && name != "" {
			return name
		}
	}
	return printed
}

// AppendName appends Name to b. A program may call itself "kernel:x": there a
// byte that no name can show takes the place of the colon, so that the prefix is
// proof.
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
