//go:build linux && (amd64 || arm64)

package loader

import (
	"fmt"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// constants is the filter in the programs' words.
func (f *Filter) constants() (map[string]uint64, error) {
	values := map[string]uint64{
		"want_pids": uint64(len(f.PIDs)), "want_comm": uint64(len(f.Comms)),
		"want_netns": uint64(f.NetNS), "want_port": uint64(f.Port),
		"want_uid_set": 0, "want_uid": 0, "want_dir": 0, "want_cgroup": 0, "want_cgroup_level": 0,
	}
	if f.UID != nil {
		values["want_uid_set"], values["want_uid"] = 1, uint64(*f.UID)
	}
	if f.Dir != nil {
		values["want_dir"] = uint64(*f.Dir) + 1
	}
	if f.Cgroup == "" {
		return values, nil
	}
	id, level, err := cgroupID(f.Cgroup)
	values["want_cgroup"], values["want_cgroup_level"] = id, uint64(level)
	return values, err
}

// cgroupID names a cgroup by its id and its depth below the root: that is how
// bpf_get_current_ancestor_cgroup_id asks for it.
func cgroupID(path string) (id uint64, level uint32, err error) {
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("look up cgroup %s: %w; give a directory of the cgroup v2 tree (/sys/fs/cgroup/...)", path, err)
	}
	if level, err = cgroupLevel(path); err != nil {
		return 0, 0, err
	}
	for i, b := range *(*[8]byte)(handle.Bytes()) {
		id |= uint64(b) << (8 * i)
	}
	return id, level, nil
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
