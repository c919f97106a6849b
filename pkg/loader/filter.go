package loader

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// setFilter puts the filter into the programs' constants.
func setFilter(spec *ebpf.CollectionSpec, f *Filter) error {
	errs := []error{
		setVariable(spec, "want_pids", uint32(len(f.PIDs))),
		setVariable(spec, "want_comm", uint32(len(f.Comms))),
		setVariable(spec, "want_netns", f.NetNS),
		setVariable(spec, "want_port", uint32(f.Port)),
	}
	if f.UID != nil {
		errs = append(errs, setVariable(spec, "want_uid_set", uint32(1)), setVariable(spec, "want_uid", *f.UID))
	}
	if f.Dir != nil {
		errs = append(errs, setVariable(spec, "want_dir", uint32(*f.Dir)+1))
	}
	if f.Cgroup != "" {
		errs = append(errs, setCgroup(spec, f.Cgroup))
	}
	return errors.Join(errs...)
}

// setCgroup names a cgroup by its id and its depth below the root: that is how
// bpf_get_current_ancestor_cgroup_id asks for it.
func setCgroup(spec *ebpf.CollectionSpec, path string) error {
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		return fmt.Errorf("look up cgroup %s: %w; give a directory of the cgroup v2 tree (/sys/fs/cgroup/...)", path, err)
	}
	level, err := cgroupLevel(path)
	if err != nil {
		return err
	}
	id := *(*[8]byte)(handle.Bytes())
	var n uint64
	for i, b := range id {
		n |= uint64(b) << (8 * i)
	}
	return errors.Join(setVariable(spec, "want_cgroup", n), setVariable(spec, "want_cgroup_level", level))
}

func cgroupLevel(path string) (uint32, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	var fs, parent unix.Statfs_t
	if err := unix.Statfs(abs, &fs); err != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return 0, fmt.Errorf("%s is not in a cgroup v2 tree; give a directory below /sys/fs/cgroup", path)
	}
	level := uint32(0)
	for dir := abs; ; dir = filepath.Dir(dir) {
		up := filepath.Dir(dir)
		if err := unix.Statfs(up, &parent); err != nil || parent.Type != unix.CGROUP2_SUPER_MAGIC || up == dir {
			return level, nil
		}
		level++
	}
}

// fillFilter writes the lists that are too long for constants.
func fillFilter(coll *ebpf.Collection, f *Filter) error {
	for _, pid := range f.PIDs {
		if err := coll.Maps["want_pid"].Put(pid, uint8(1)); err != nil {
			return fmt.Errorf("filter by pid %d: %w", pid, err)
		}
	}
	for _, c := range f.Comms {
		if err := coll.Maps["want_name"].Put([16]byte(wantedName(c)), uint8(1)); err != nil {
			return fmt.Errorf("filter by name %q: %w", c, err)
		}
	}
	return nil
}

// wantedName is a name as the kernel keeps it.
func wantedName(s string) event.Comm { return event.MakeComm(strings.TrimSpace(s)) }

// MatchSocket applies to a socket, in user space, what the kernel applies to
// records. The cgroup is the kernel's alone.
func (f *Filter) MatchSocket(s *event.Socket) bool {
	switch {
	case len(f.PIDs) > 0 && !slices.Contains(f.PIDs, s.Proc.PID),
		len(f.Comms) > 0 && !slices.ContainsFunc(f.Comms, func(c string) bool { return wantedName(c) == s.Proc.Comm }),
		f.UID != nil && *f.UID != s.Proc.UID,
		f.Dir != nil && [2]event.Mode{s.TX.Mode, s.RX.Mode}[*f.Dir&1] == event.ModeNone,
		f.NetNS != 0 && f.NetNS != s.Conn.NetNS,
		f.Port != 0 && f.Port != s.Conn.LPort && f.Port != s.Conn.RPort:
		return false
	}
	return true
}
