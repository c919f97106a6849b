package tap

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// owner names the process that an interface belongs to. It is the interface's
// alias, so that the next ktlstop knows what another left behind, and touches
// nothing that is not ktlstop's.
type owner struct {
	pid int
	// start is when the process began, in clock ticks since boot: pids are
	// used again.
	start uint64
	// pidns is the pid namespace that pid is a number of.
	pidns uint64
}

const ownerFormat = "ktlstop tap pid %d start %d pidns %d"

func (o owner) String() string { return fmt.Sprintf(ownerFormat, o.pid, o.start, o.pidns) }

func parseOwner(alias string) (o owner, ok bool) {
	_, err := fmt.Sscanf(alias, ownerFormat, &o.pid, &o.start, &o.pidns)
	return o, err == nil && o.String() == alias
}

// self is this process.
func self() (o owner, err error) {
	o.pid = os.Getpid()
	if o.start, err = startTime(o.pid); err != nil {
		return o, err
	}
	o.pidns, err = pidNamespace()
	return o, err
}

// gone reports whether the owner has ended. Of a process in another pid namespace
// nothing is known, and it is taken to live.
func (o owner) gone() (bool, error) {
	ns, err := pidNamespace()
	if err != nil || ns != o.pidns {
		return false, err
	}
	start, err := startTime(o.pid)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return true, nil
	}
	return err == nil && start != o.start, err
}

func pidNamespace() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: "/proc/self/ns/pid", Err: err}
	}
	return st.Ino, nil
}

// startTime reads the 22nd field of /proc/PID/stat (proc(5)). The second, the
// process's name, may hold anything; the last parenthesis ends it.
func startTime(pid int) (uint64, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("%s is too short: %q", name, b)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}
