package cgroup

import (
	"strings"
	"testing"
)

var (
	id    = strings.Repeat("0123456789abcdef", 4)
	other = strings.Repeat("fedcba9876543210", 4)
)

const (
	pod      = "0d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6"
	podSlash = "0d1e2f3a_4b5c_6d7e_8f90_a1b2c3d4e5f6"
	digest   = "0123456789abcdef0123456789abcdef" // of a static pod's manifest
)

func TestPlaceOf(t *testing.T) {
	burstable := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + podSlash + ".slice"
	for _, c := range []struct {
		what, path string
		want       Place
	}{
		{"a service", "/system.slice/nginx.service", Place{Unit: "nginx.service"}},
		{"an instance", "/system.slice/system-getty.slice/getty@tty1.service", Place{Unit: "getty@tty1.service"}},
		{"what a service made below", "/system.slice/nginx.service/worker/1", Place{Unit: "nginx.service"}},
		{"a login", "/user.slice/user-1000.slice/session-3.scope", Place{Unit: "session-3.scope"}},
		{"a user's service", "/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service", Place{Unit: "sync.service"}},
		{"a slice", "/web.slice/web-front.slice", Place{Unit: "web-front.slice"}},
		{"a slice below a service", "/user.slice/user@0.service/app.slice", Place{Unit: "user@0.service"}},
		{"systemd itself", "/init.scope", Place{Unit: "init.scope"}},
		{"a name like a file of the kernel", "/system.slice/_cpu.service", Place{Unit: "cpu.service"}},
		{"an escaped name", `/system.slice/dev-disk\x2d1.service`, Place{Unit: `dev-disk\x2d1.service`}},
		{"the root", "/", Place{}},
		{"nothing", "", Place{}},
		{"no systemd", "/web", Place{}},
		{"only a suffix", "/.service/.slice", Place{}},
		{"hostile", "/system.slice/\x1b[2J\xff.service", Place{Unit: "system.slice"}},

		{"docker, systemd", "/system.slice/docker-" + id + ".scope", Place{Unit: "system.slice", Container: id}},
		{"docker, cgroupfs", "/docker/" + id, Place{Container: id}},
		{"below a container", "/docker/" + id + "/init", Place{Container: id}},
		{"docker in docker", "/docker/" + other + "/docker/" + id, Place{Container: id}},
		{"systemd in docker", "/system.slice/docker-" + id + ".scope/system.slice/nginx.service", Place{Unit: "nginx.service", Container: id}},
		{"nerdctl", "/system.slice/nerdctl-" + id + ".scope", Place{Unit: "system.slice", Container: id}},
		{"podman with crun", "/machine.slice/libpod-" + id + ".scope/container", Place{Unit: "machine.slice", Container: id}},
		{"podman, cgroupfs", "/libpod_parent/libpod-" + id, Place{Container: id}},
		{"podman in a service", "/system.slice/web.service/libpod-payload-" + id, Place{Unit: "web.service", Container: id}},
		{"rootless podman", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope/container",
			Place{Unit: "user@1000.service", Container: id}},
		{"podman's monitor", "/machine.slice/libpod-conmon-" + id + ".scope", Place{Unit: "machine.slice"}},

		{"containerd, systemd", burstable + "/cri-containerd-" + id + ".scope",
			Place{Unit: "kubepods-burstable.slice", Container: id, PodUID: pod, PodContainer: id}},
		{"containerd, cgroupfs", "/kubepods/besteffort/pod" + pod + "/" + id, Place{Container: id, PodUID: pod, PodContainer: id}},
		{"a guaranteed pod", "/kubepods.slice/kubepods-pod" + podSlash + ".slice/crio-" + id + ".scope",
			Place{Unit: "kubepods.slice", Container: id, PodUID: pod, PodContainer: id}},
		{"guaranteed, cgroupfs", "/kubepods/pod" + pod + "/crio-" + id, Place{Container: id, PodUID: pod, PodContainer: id}},
		{"CRI-O with crun", burstable + "/crio-" + id + ".scope/container",
			Place{Unit: "kubepods-burstable.slice", Container: id, PodUID: pod, PodContainer: id}},
		{"CRI-O's monitor", burstable + "/crio-conmon-" + id + ".scope", Place{Unit: "kubepods-burstable.slice", PodUID: pod}},
		{"the pod itself", burstable, Place{Unit: "kubepods-burstable.slice", PodUID: pod}},
		{"a static pod", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + digest + ".slice/cri-containerd-" + id + ".scope",
			Place{Unit: "kubepods-burstable.slice", Container: id, PodUID: digest, PodContainer: id}},
		{"docker in a pod", burstable + "/cri-containerd-" + other + ".scope/docker/" + id,
			Place{Unit: "kubepods-burstable.slice", Container: id, PodUID: pod, PodContainer: other}},
		{"systemd in a pod", burstable + "/cri-containerd-" + id + ".scope/system.slice/nginx.service",
			Place{Unit: "nginx.service", Container: id, PodUID: pod, PodContainer: id}},
		{"kind, systemd", "/system.slice/docker-" + other + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" +
			podSlash + ".slice/cri-containerd-" + id + ".scope",
			Place{Unit: "kubelet-kubepods-besteffort.slice", Container: id, PodUID: pod, PodContainer: id}},
		{"kind, cgroupfs", "/docker/" + other + "/kubelet/kubepods/burstable/pod" + pod + "/" + id, Place{Container: id, PodUID: pod, PodContainer: id}},
		{"k3s", "/system.slice/k3s.service/kubepods/burstable/pod" + pod + "/" + id,
			Place{Unit: "k3s.service", Container: id, PodUID: pod, PodContainer: id}},
		{"from outside of a namespace", "/../kubepods/pod" + pod + "/" + id, Place{Container: id, PodUID: pod, PodContainer: id}},

		{"an id too short", "/docker/" + id[:63], Place{}},
		{"an id too long", "/docker/" + id + "0", Place{}},
		{"an id in capitals", "/docker/" + strings.ToUpper(id), Place{}},
		{"a scope that only looks like a container", "/system.slice/evil-" + id + ".scope", Place{Unit: "system.slice"}},
		{"a pod outside of kubepods", "/user.slice/pod" + pod, Place{Unit: "user.slice"}},
		{"a pod's slice outside of kubepods", "/user.slice/pod" + podSlash + ".slice", Place{Unit: "pod" + podSlash + ".slice"}},
		{"no UID", "/kubepods/podweb", Place{}},
	} {
		if got := PlaceOf(c.path); got != c.want {
			t.Errorf("%s: %s is %+v, want %+v", c.what, c.path, got, c.want)
		}
	}
}

func FuzzPlaceOf(f *testing.F) {
	f.Add("/kubepods.slice/kubepods-pod" + podSlash + ".slice/cri-containerd-" + id + ".scope")
	f.Add("/system.slice/_x.service/")
	f.Fuzz(func(t *testing.T, path string) {
		p := PlaceOf(path)
		for _, s := range []string{p.Unit, p.Container, p.PodContainer} {
			if !strings.Contains(path, s) || strings.Contains(s, "/") {
				t.Errorf("%q has no %q", path, s)
			}
		}
		if p.PodContainer != "" && p.PodUID == "" || p.PodContainer != "" && p.Container == "" {
			t.Errorf("%q: a pod's container without either: %+v", path, p)
		}
	})
}
