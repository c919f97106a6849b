package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink/schematest"
)

// feedLine is a line of a feed, with the fields that the test reads.
type feedLine struct {
	line
	Host   string `json:"host"`
	Reason string `json:"reason"`
}

// awhile waits until a condition holds.
func awhile(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// fleet is ktlstop trace --read of two hosts.
type fleet struct {
	t    *testing.T
	cmd  *exec.Cmd
	file string
}

func (f *fleet) lines() (all []feedLine) {
	f.t.Helper()
	b, err := os.ReadFile(f.file)
	if os.IsNotExist(err) {
		return nil
	}
	must(f.t, err)
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	for text := range bytes.Lines(b) {
		var l feedLine
		must(f.t, json.Unmarshal(text, &l))
		all = append(all, l)
	}
	return all
}

// sent are the sequence numbers of the records that a host reports for a connection's
// sender.
func (f *fleet) sent(host string, p *pair) (seqs []uint64) {
	f.t.Helper()
	for _, l := range f.lines() {
		if l.Host == host && l.Type == "record" && l.Dir == "tx" && l.Sock.LPort == p.lport && l.Sock.RPort == p.rport {
			seqs = append(seqs, l.Seq)
		}
	}
	return seqs
}

// host waits for the n-th reported host in the state, and returns its name.
func (f *fleet) host(n int, state string) (name string) {
	f.t.Helper()
	awhile(f.t, "a host that is "+state, func() bool {
		left := n
		for _, l := range f.lines() {
			if l.Type == "host" && l.State == state {
				if left--; left < 0 {
					name = l.Host
					return true
				}
			}
		}
		return false
	})
	return name
}

// network is the path to a host, which may break.
type network struct {
	*httptest.Server
	broken atomic.Bool
}

func newNetwork(t *testing.T, to string) *network {
	t.Helper()
	u, err := url.Parse(to)
	must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.FlushInterval = -1
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	n := new(network)
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.broken.Load() {
			http.Error(w, "the network is broken", http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(n.Close)
	return n
}

// TestFeed: one host over two paths, which are two hosts for the reader, reports the
// same records exactly. A host that is away does not stop the other; when it is back,
// it begins with the open connections. A late reader gets a connection's current
// position. When all readers have left, nothing is traced for them any more.
func TestFeed(t *testing.T) {
	onOneKernel(t)
	host := startServe(t)
	far := newNetwork(t, host.url)
	links := bpfLinks(t, host)
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer p.close()
	f := &fleet{t: t, file: filepath.Join(t.TempDir(), "events.jsonl")}
	f.cmd = exec.Command(program, "trace", "-o", "json", "-w", f.file, "--read", host.url, "--read", far.URL)
	start(t, f.cmd)
	a, b := f.host(0, "here"), f.host(1, "here")
	if n := bpfLinks(t, host); links == 0 || n <= links {
		t.Errorf("%d programs are attached while somebody reads, and %d while nobody does", n, links)
	}
	if a == b || strings.SplitN(a, "@", 2)[0] != strings.SplitN(b, "@", 2)[0] {
		t.Fatalf("two hosts of one name are called %q and %q", a, b)
	}
	p.exchange(t, 5, pattern(100, 3))
	for _, host := range []string{a, b} {
		awhile(t, "five records of "+host, func() bool { return len(f.sent(host, p)) == 5 })
		if got := f.sent(host, p); fmt.Sprint(got) != "[0 1 2 3 4]" {
			t.Errorf("%s reports records %v", host, got)
		}
	}
	stays := f.outage(far, p)
	checkLateReader(t, host.url, p)
	must(t, f.cmd.Process.Signal(os.Interrupt))
	waitFor(t, f.cmd)
	f.checkEnd(stays, p)
	awhile(t, "the hooks of who read are gone", func() bool { return bpfLinks(t, host) == links })
}

// outage breaks the path to one host, sends two records, restores the path, and sends
// one. It returns the host that was there all the time.
func (f *fleet) outage(far *network, p *pair) (stays string) {
	f.t.Helper()
	far.broken.Store(true)
	far.CloseClientConnections()
	gone := f.host(0, "away")
	for _, n := range []int{0, 1} {
		if name := f.host(n, "here"); name != gone {
			stays = name
		}
	}
	p.exchange(f.t, 2, pattern(100, 3))
	awhile(f.t, "the other host's records", func() bool { return len(f.sent(stays, p)) == 7 })
	if n := len(f.sent(gone, p)); n != 5 {
		f.t.Errorf("%s is away and has reported %d records", gone, n)
	}
	far.broken.Store(false)
	if back := f.host(2, "here"); back != gone {
		f.t.Errorf("%s is back, and %s was away", back, gone)
	}
	p.exchange(f.t, 1, pattern(100, 3))
	awhile(f.t, "records of who is back", func() bool { return len(f.sent(gone, p)) == 6 })
	if got := f.sent(gone, p); got[5] != 7 {
		f.t.Errorf("%s is back and reports records %v", gone, got)
	}
	return stays
}

// bpfLinks is how many programs a process has attached.
func bpfLinks(t *testing.T, s *served) (n int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)
	fds, err := os.ReadDir(dir)
	must(t, err)
	for _, fd := range fds {
		if to, _ := os.Readlink(filepath.Join(dir, fd.Name())); strings.Contains(to, "bpf") && strings.Contains(to, "link") {
			n++
		}
	}
	return n
}

// checkLateReader checks that a late reader gets the position of the pair's sender.
func checkLateReader(t *testing.T, url string, p *pair) {
	t.Helper()
	resp, err := http.Get(url + "/v1/events?match=port%3D%3D" + fmt.Sprint(p.lport))
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		schematest.Validate(t, lines.Bytes())
		var l feedLine
		must(t, json.Unmarshal(lines.Bytes(), &l))
		if l.Type == "socket" && l.Sock.LPort == p.lport {
			if l.State != "found" || l.TX.Next != 8 || l.Totals["tx"].Records != 8 {
				t.Errorf("the late reader finds %+v", l)
			}
			return
		}
	}
	t.Errorf("the late reader finds nothing: %v", lines.Err())
}

// checkEnd checks that nothing was lost, nothing is plaintext, and each host has its
// summary.
func (f *fleet) checkEnd(stays string, p *pair) {
	f.t.Helper()
	b, err := os.ReadFile(f.file)
	must(f.t, err)
	schematest.ValidateAll(f.t, b)
	summaries := map[string]map[string]uint64{}
	for _, l := range f.lines() {
		switch {
		case l.Type == "summary":
			summaries[l.Host] = l.Records
		case l.Type == "lost":
			f.t.Errorf("lost: %+v", l)
		case len(l.Payload.Data) > 0:
			f.t.Errorf("plaintext: %+v", l)
		}
	}
	if len(summaries) != 2 || summaries[stays]["tx"] < 8 {
		f.t.Errorf("summaries: %v", summaries)
	}
}
