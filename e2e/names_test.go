package e2e

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The fake kubelet's report of the container that crun runs.
const (
	podUID  = "0d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6"
	podUnit = "kubepods-burstable.slice"
)

var containerID = strings.Repeat("0123456789abcdef", 4)

// TestNames: traffic of a real container in a pod, of a service and of neither is reported
// with its names, and selected by them.
func TestNames(t *testing.T) {
	onOneKernel(t)
	flags := fakeKubelet(t)
	tr := startTracer(t, append(flags, "--match", `namespace == shop and pod contains "web" or unit == "web.service"`)...)
	if _, stderr, status := ktlstop(t, "gen", "--rounds", "1"); status != 0 { // in no unit
		t.Fatal(stderr)
	}
	startContainer(t)
	startService(t, "web.service")
	pod := podOf{UID: podUID, Namespace: "shop", Name: "web-7d4b9c-x2x8v", Container: "front"}
	inPod := func(l *line) bool { return l.Pod == pod && l.Unit == podUnit && l.Container == containerID }
	inUnit := func(l *line) bool { return l.Pod == podOf{} && l.Unit == "web.service" && l.Container == "" }
	has := func(of func(*line) bool) bool {
		return slices.ContainsFunc(tr.lines().ofType("record"), func(l line) bool { return of(&l) })
	}
	tr.waitFor(func() bool { return has(inPod) && has(inUnit) })
	got := tr.stop()
	got.noLosses(t)
	if said := tr.stderr.String(); strings.Contains(said, "walking") || strings.Contains(said, "pods have no names") {
		t.Errorf("ktlstop said: %s", said)
	}
	for _, l := range got.ofType("record") {
		if !inPod(&l) && !inUnit(&l) {
			t.Errorf("pid %d: unit %q, container %q, pod %+v", l.PID, l.Unit, l.Container, l.Pod)
		}
	}
	if len(got.filter(func(l *line) bool { return l.Type == "summary" && l.Unmatched > 0 })) == 0 {
		t.Error("nothing was left out")
	}
}

// fakeKubelet serves one pod, and returns the flags to query it.
func fakeKubelet(t *testing.T) (flags []string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/pods" || r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"kind":"PodList","items":[{"metadata":{"namespace":"shop","name":"web-7d4b9c-x2x8v","uid":%q},
			"status":{"containerStatuses":[{"name":"front","containerID":"cri-o://%s"}]}}]}`, podUID, containerID)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	ca, token := filepath.Join(dir, "ca"), filepath.Join(dir, "token")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	must(t, os.WriteFile(token, []byte("secret\n"), 0o600))
	return []string{"--kubelet", s.URL, "--kubelet-ca", ca, "--kubelet-token", token}
}

// traffic goes on until its process ends.
var traffic = []string{"gen", "--rate", "2", "--duration", "5m"}

// startContainer makes crun run traffic in a cgroup of a pod, as CRI-O does with the
// systemd driver.
func startContainer(t *testing.T) {
	t.Helper()
	crun := need(t, "crun")
	dir := t.TempDir()
	for _, mountpoint := range []string{"proc", "dev"} {
		must(t, os.MkdirAll(filepath.Join(dir, "rootfs", mountpoint), 0o755))
	}
	copyProgram(t, filepath.Join(dir, "rootfs/ktlstop"))
	slice := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(podUID, "-", "_") + ".slice"
	config, err := json.Marshal(map[string]any{
		"ociVersion": "1.0.2",
		"process":    map[string]any{"args": append([]string{"/ktlstop"}, traffic...), "cwd": "/", "user": map[string]int{"uid": 0, "gid": 0}},
		"root":       map[string]string{"path": "rootfs"},
		"mounts":     []map[string]string{{"destination": "/proc", "type": "proc", "source": "proc"}},
		"linux": map[string]any{"cgroupsPath": slice + "/crio-" + containerID + ".scope",
			"namespaces": []map[string]string{{"type": "pid"}, {"type": "mount"}}},
	})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600))
	global := []string{"--root", filepath.Join(dir, "state"), "--cgroup-manager", "cgroupfs"}
	cmd := exec.Command(crun, append(global, "run", "--no-pivot", "--bundle", dir, "front")...)
	start(t, cmd)
	t.Cleanup(func() { // crun removes its files when the container has ended
		if out, err := exec.Command(crun, append(global, "kill", "front", "KILL")...).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait() // its status says how the container has ended
	})
}

// startService makes traffic in a cgroup that systemd would use for a service.
func startService(t *testing.T, unit string) {
	t.Helper()
	dir := filepath.Join("/sys/fs/cgroup/system.slice", unit)
	must(t, os.MkdirAll(dir, 0o755))
	start(t, exec.Command("sh", append([]string{"-c", `echo $$ >"$1/cgroup.procs" && shift && exec "$@"`, "sh", dir, program}, traffic...)...))
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open(program)
	must(t, err)
	defer from.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(out, from)
	must(t, err)
	must(t, out.Close())
}
