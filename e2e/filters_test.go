package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// transfer is one record: who sent or received it, on which connection.
type transfer struct {
	Conn, Dir string
	Seq       uint64
	PID       int
}

// TestFilters: two processes take turns on two connections, in two network namespaces,
// while a third one starts and ends. Each filter of a pair alone hides something;
// events that match both are shown and no others, and hidden records are no gap: the
// kernel counts them (hidden).
func TestFilters(t *testing.T) {
	onOneWithEachChange(t)
	const user = 12345
	group := newCgroup(t)
	here := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	var there *pair
	var netns uint64
	inNetns(t, func() {
		there = newPair(t, security{"1.2", "AES-GCM-256", "sw"})
		var st unix.Stat_t
		must(t, unix.Stat("/proc/thread-self/ns/net", &st))
		netns = st.Ino
	})
	wanted := startActor(t, "wanted", &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: group.fd},
		here.files[0], here.files[1], there.files[0], there.files[1])
	wanted.do(t, "uid", user)

	byActor := func(d transfer) bool { return d.PID == wanted.pid() }
	cases := []struct {
		args  []string
		wants func(transfer) bool
	}{
		{[]string{"--pid", fmt.Sprint(wanted.pid()), "--dir", "rx"}, func(d transfer) bool { return byActor(d) && d.Dir == "rx" }},
		{[]string{"--uid", fmt.Sprint(user), "--port", fmt.Sprint(here.rport)}, func(d transfer) bool { return byActor(d) && d.Conn == "here" }},
		{[]string{"--cgroup", group.dir, "--netns", fmt.Sprint(netns)}, func(d transfer) bool { return byActor(d) && d.Conn == "there" }},
		{[]string{"--comm", "wanted"}, byActor},
	}
	var args [][]string
	for _, c := range cases {
		args = append(args, c.args)
	}
	tracers := startTracers(t, args)
	later := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	pairs := map[string]*pair{"here": here, "there": there, "later": later}
	transfers := alternate(t, pairs, wanted)
	wanted.exit(t)
	for _, p := range pairs {
		p.close()
	}
	for i, c := range cases {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			got := tracers[i].stop()
			got.checkComplete(t)
			var want []transfer
			for _, d := range transfers {
				if c.wants(d) {
					want = append(want, d)
				}
			}
			if diff := cmp.Diff(count(want), count(transfersOf(got, pairs))); diff != "" || len(want) == 0 {
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

func transfersOf(tr trace, pairs map[string]*pair) (all []transfer) {
	for _, l := range tr.ofType("record") {
		d := transfer{"unknown", l.Dir, l.Seq, l.PID}
		for name, p := range pairs {
			if ports := [2]int{l.Sock.LPort, l.Sock.RPort}; ports == [2]int{p.lport, p.rport} || ports == [2]int{p.rport, p.lport} {
				d.Conn = name
			}
		}
		all = append(all, d)
	}
	return all
}

// alternate sends and receives records one by one: the actor and this process on
// the connections that they share, this process alone on the other.
func alternate(t *testing.T, pairs map[string]*pair, a *actor) (transfers []transfer) {
	t.Helper()
	const size = 50
	inherited := map[string][2]int{"here": {3, 4}, "there": {5, 6}}
	for seq := range uint64(12) {
		for name, p := range pairs {
			fds, shared := inherited[name]
			sent, received := transfer{name, "tx", seq, os.Getpid()}, transfer{name, "rx", seq, os.Getpid()}
			if shared && seq%4 > 1 {
				sent.PID = a.pid()
				a.do(t, "send", fds[0], size)
			} else {
				p.send(t, pattern(size, 0), 0)
			}
			if shared && seq%3 > 0 {
				received.PID = a.pid()
				a.do(t, "recv", fds[1], size)
			} else {
				p.recv(t, size, size)
			}
			transfers = append(transfers, sent, received)
		}
	}
	return transfers
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
