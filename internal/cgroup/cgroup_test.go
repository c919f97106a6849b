package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	id    = strings.Repeat("0123456789abcdef", 4)
	other = strings.Repeat("fedcba9876543210", 4)
)

func TestContainerOf(t *testing.T) {
	for path, want := range map[string]string{
		"/system.slice/docker-" + id + ".scope": id,
		"/docker/" + id:                         id,
		"/docker/" + id + "/init":               id,
		"/docker/" + other + "/docker/" + id:    id,
		"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope": id,
		"/kubepods/besteffort/pod0d1e/" + id:                                  id,
		"/kubepods.slice/crio-" + id + ".scope/container":                     id,
		"/machine.slice/libpod-" + id + ".scope/container":                    id,
		"/machine.slice/libpod-conmon-" + id + ".scope":                       "",
		"/kubepods.slice/crio-conmon-" + id + ".scope":                        "",
		"/system.slice/nginx.service":                                         "",
		"/user.slice/user-0.slice/session-1.scope":                            "",
		"/docker/" + id[:63]:                                                  "",
		"/docker/" + id + "0":                                                 "",
		"/docker/" + strings.ToUpper(id):                                      "",
		"/system.slice/evil-" + id + ".scope":                                 "",
		"/":                                                                   "",
		"":                                                                    "",
	} {
		if got := ContainerOf(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// inode makes a directory and returns its number.
func inode(t *testing.T, path string) uint64 {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestIndex(t *testing.T) {
	root := t.TempDir()
	web := inode(t, filepath.Join(root, "docker", id))
	service := inode(t, filepath.Join(root, "system.slice", "nginx.service"))
	x := newIndex(root)
	now := time.Unix(1000, 0)
	x.now = func() time.Time { return now }
	if got := x.Container(web); got != id {
		t.Errorf("container %q", got)
	}
	if x.Container(service) != "" || x.Container(0) != "" || x.Container(1<<63) != "" {
		t.Error("a container where there is none")
	}
	late := inode(t, filepath.Join(root, "docker", other))
	if x.Container(late) != "" {
		t.Error("the tree is walked for each unknown cgroup")
	}
	now = now.Add(settle)
	if got := x.Container(late); got != other {
		t.Errorf("a new container is %q", got)
	}
	if newIndex("").Container(web) != "" {
		t.Error("a container without cgroups")
	}
}
