package facts

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// Want says which processes the user asks about; the zero value means all that have a TCP
// socket.
type Want struct {
	PIDs  []int
	Comms []string
	Ports []uint16
}

// All: the user named no process.
func (w *Want) All() bool { return len(w.PIDs)+len(w.Comms)+len(w.Ports) == 0 }

// Process reports whether the user asked about a process.
func (w *Want) Process(pid int, comm string) bool {
	return slices.Contains(w.PIDs, pid) || slices.Contains(w.Comms, comm)
}

// Ends reports whether a connection has one of the ports.
func (w *Want) Ends(e *doctor.Ends) bool {
	return slices.ContainsFunc(w.Ports, func(p uint16) bool { return e.Local.Port() == p || e.Remote.Port() == p })
}

// Event reports whether an observed event belongs to a wanted process; true if all are
// wanted.
func (w *Want) Event(e *doctor.Ends, pid int, comm string) bool {
	return w.All() || w.Process(pid, comm) || w.Ends(e)
}

// Look examines the wanted processes. known are processes that were examined before; they
// may be gone, and others may have their numbers.
func (r *Reader) Look(want *Want, known []doctor.Process) *doctor.Facts {
	f := &doctor.Facts{NotSeen: []string{}, Processes: []doctor.Process{}}
	f.Host = r.Host(&f.NotSeen)
	f.Host.NICs = append([]doctor.NIC{}, NICs(&f.NotSeen)...)
	sockets := r.Sockets(&f.NotSeen)
	wanted := r.wanted(want, sockets)
	f.Sockets = slices.DeleteFunc(sockets, func(s doctor.Socket) bool { return !want.socket(&s, wanted) })
	r.processes(f, wanted, known)
	return f
}

// sockets without a process are the kernel's own.
func (w *Want) socket(s *doctor.Socket, wanted map[int]bool) bool {
	return w.All() || w.Ends(&s.Ends) || slices.ContainsFunc(s.PIDs, func(pid int) bool { return wanted[pid] })
}

// wanted maps the processes to examine to whether the user named them.
func (r *Reader) wanted(want *Want, sockets []doctor.Socket) map[int]bool {
	found := map[int]bool{}
	for i := range sockets {
		s := &sockets[i]
		for _, pid := range s.PIDs {
			if want.All() {
				found[pid] = false
			} else if want.Ends(&s.Ends) {
				found[pid] = true
			}
		}
	}
	for _, pid := range r.pids() {
		if len(want.PIDs)+len(want.Comms) > 0 && want.Process(pid, r.Comm(pid)) {
			found[pid] = true
		}
	}
	return found
}

// processes returns the processes that use TLS, the named ones, and those known before.
func (r *Reader) processes(f *doctor.Facts, wanted map[int]bool, known []doctor.Process) {
	denied := 0
	f.Processes = append(f.Processes, known...)
	for pid, named := range wanted {
		started := r.Started(pid)
		if slices.ContainsFunc(known, func(p doctor.Process) bool { return p.PID == pid && p.Started == started }) {
			continue
		}
		p, err := r.Process(pid, true)
		if errors.Is(err, fs.ErrPermission) {
			denied++
		}
		if p.Named = named; named && p.Comm != "" || len(p.Libraries) > 0 {
			f.Processes = append(f.Processes, p)
		}
	}
	if denied > 0 {
		f.NotSeen = append(f.NotSeen, fmt.Sprintf("libraries and configuration of %s: %s", processes(denied), r.missing(unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE")))
	}
	slices.SortFunc(f.Processes, func(a, b doctor.Process) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.Started, b.Started))
	})
}

// missing names the rights that would show more. Root may lack a right too, in a
// container, or have it and still be refused.
func (r Root) missing(right uint, name string) string {
	if os.Geteuid() != 0 {
		return "run as root"
	}
	eff, err := strconv.ParseUint(r.status("self")["CapEff"], 16, 64)
	if err == nil && eff&(1<<right) == 0 {
		return "this root lacks " + name
	}
	return "this root is not allowed to (another user namespace, more rights than this one has, a security module)"
}

// processes formats the number of processes of other users.
func processes(n int) string {
	if n == 1 {
		return "1 process of others"
	}
	return fmt.Sprintf("%d processes of others", n)
}
