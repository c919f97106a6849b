package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// deed is one record: who sent or received it, on which connection.
type deed struct {
	Conn, Dir string
	Seq       uint64
	PID       int
}

// TestFilters: two processes take turns on one connection, and a third one is in
// another network namespace. Each filter lets through what it names and nothing
// else, and what it keeps back is no gap: the kernel counts it (hidden).
func TestFilters(t *testing.T) {
	const user = 12345
	group := newCgroup(t)
	shared := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	wanted := startActor(t, "wanted", &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: group.fd}, shared.files[0], shared.files[1])
	wanted.do(t, "uid", user)
	var other *pair
	var netns uint64
	// This one is opened under the traces, so that its end is told too.
	openOther := func() {
		inNetns(t, func() {
			other = newPair(t, security{"1.2", "AES-GCM-256", "sw"})
			var st unix.Stat_t
			must(t, unix.Stat("/proc/thread-self/ns/net", &st))
			netns = st.Ino
		})
	}
	openOther()
	found := other
	defer found.close()

	me := os.Getpid()
	byActor := func(d deed) bool { return d.PID == wanted.pid() }
	cases := []struct {
		name  string
		args  []string
		wants func(deed) bool
	}{
		{"pid", []string{"--pid", fmt.Sprint(wanted.pid())}, byActor},
		{"comm", []string{"--comm", "wanted"}, byActor},
		{"uid", []string{"--uid", fmt.Sprint(user)}, byActor},
		{"cgroup", []string{"--cgroup", group.dir}, byActor},
		{"port", []string{"--port", fmt.Sprint(shared.rport)}, func(d deed) bool { return d.Conn == "shared" }},
		{"netns", []string{"--netns", fmt.Sprint(netns)}, func(d deed) bool { return d.Conn == "found" }},
		{"dir", []string{"--dir", "rx"}, func(d deed) bool { return d.Dir == "rx" }},
	}
	var tracers []*tracer
	for _, c := range cases {
		tracers = append(tracers, startTracer(t, c.args...))
	}
	openOther()
	pairs := map[string]*pair{"shared": shared, "found": found, "opened": other}
	deeds := takeTurns(t, pairs, wanted)
	wanted.exit(t)
	shared.close()
	other.close()
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := tracers[i].stop()
			got.noLosses(t)
			var want []deed
			for _, d := range deeds {
				if c.wants(d) {
					want = append(want, d)
				}
			}
			if diff := cmp.Diff(count(want), count(deedsOf(got, pairs))); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func count[T comparable](all []T) map[T]int {
	n := map[T]int{}
	for _, x := range all {
		n[x]++
	}
	return n
}

func deedsOf(tr trace, pairs map[string]*pair) (all []deed) {
	for _, l := range tr.ofType("record") {
		d := deed{"unknown", l.Dir, l.Seq, l.PID}
		for name, p := range pairs {
			if ports := [2]int{l.Sock.LPort, l.Sock.RPort}; ports == [2]int{p.lport, p.rport} || ports == [2]int{p.rport, p.lport} {
				d.Conn = name
			}
		}
		all = append(all, d)
	}
	return all
}

// takeTurns sends and receives records one by one: the actor and this process on
// the shared connection, this process alone on the others.
func takeTurns(t *testing.T, pairs map[string]*pair, a *actor) (deeds []deed) {
	t.Helper()
	me := os.Getpid()
	const size = 50
	for seq := range uint64(12) {
		for name, p := range pairs {
			sender, receiver := me, me
			if name == "shared" && seq%4 > 1 {
				sender = a.pid()
				a.do(t, "send", 3, size)
			} else {
				p.send(t, pattern(size, 0), 0)
			}
			if name == "shared" && seq%3 > 0 {
				receiver = a.pid()
				a.do(t, "recv", 4, size)
			} else {
				p.recv(t, size, size)
			}
			deeds = append(deeds, deed{name, "tx", seq, sender}, deed{name, "rx", seq, receiver})
		}
	}
	return deeds
}

// cgroup is a directory of the cgroup tree, version 2.
type cgroup struct {
	dir string
	fd  int
}

func newCgroup(t *testing.T) *cgroup {
	t.Helper()
	dir := filepath.Join("/sys/fs/cgroup", "ktlstop-e2e")
	must(t, os.Mkdir(dir, 0o755))
	f, err := os.Open(dir)
	must(t, err)
	t.Cleanup(func() {
		f.Close()
		must(t, os.Remove(dir))
	})
	return &cgroup{dir, int(f.Fd())}
}
