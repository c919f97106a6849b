package main

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/sink/schematest"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// What cannot be is one line, which says what to do.
func TestDoctorUsage(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"4194304", "there is no process 4194304"}, {"99999999", "not a process id"}, {":0", "not a port"}, {":70000", "not a port"}, {":http", "not a port"}, {":1", "no TCP socket has the port 1"},
		{"nobody-runs-me", "no process has the name"}, {"--watch 0s", "not a time to watch"}, {"--watch -1s", "not a time to watch"}, {"--watch x", "a time, as 10s or 5m"},
		{"--ready-file /nowhere/x", "a watch has begun"}, {"--self --ready-file /nowhere/x", "a watch has begun"}, {strconv.Itoa(os.Getpid()) + " :1", "no TCP socket has the port 1"},
		{"-o yaml", "text and json"}, {"--self nginx", "--self looks at ktlstop alone"}, {"--self --watch 1s", "--self looks at ktlstop alone"},
	} {
		stdout, stderr, status := ktlstop(t, append([]string{"doctor"}, strings.Fields(c.args)...)...)
		if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "ktlstop: ") || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%s: status %d, %q, %q", c.args, status, stdout, stderr)
		}
	}
}

// This very program, on whatever machine: its document is valid, and its status is what
// the document says.
func TestDoctorOfThisProgram(t *testing.T) {
	stdout, stderr, status := ktlstop(t, "doctor", "-o", "json", strconv.Itoa(os.Getpid()))
	if err := schematest.CheckDoctor([]byte(stdout)); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	var d struct {
		Well      bool
		Processes []struct {
			PID int
			Own bool `json:"own_ktls"`
		}
	}
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		t.Fatal(err)
	}
	if want := map[bool]int{true: 0, false: 1}[d.Well]; status != want || stderr != "" {
		t.Errorf("well %v and status %d: %s", d.Well, status, stderr)
	}
	if len(d.Processes) != 1 || d.Processes[0].PID != os.Getpid() || !d.Processes[0].Own {
		t.Errorf("%+v", d.Processes)
	}
	text, _, _ := ktlstop(t, "doctor", strconv.Itoa(os.Getpid()))
	if !strings.HasPrefix(text, "Linux ") || !strings.Contains(text, "Go crypto/tls 1.") {
		t.Error(text)
	}
}

// What ktlstop says of itself is as narrow as the terminal too.
func TestDoctorSelfIsNarrow(t *testing.T) {
	r := selfReport{Version: "1", Kernel: "6.1", Well: true, width: 40, Missing: []string{strings.Repeat("word ", 20)},
		Groups: []loader.GroupState{{Name: "held bytes", Programs: 3, Loads: true, Without: strings.Repeat("what is missing ", 5)}, {Name: "watch", Why: strings.Repeat("it does not load ", 5)}}}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(b.String()) {
		if len(l) > 44 { // the last cell has eight columns at least
			t.Errorf("%q", l)
		}
	}
	if !strings.Contains(b.String(), "does not load: it does not") || !strings.Contains(b.String(), "all of it works here") {
		t.Error(b.String())
	}
}

// A name is what the kernel keeps of it.
func TestCommOf(t *testing.T) {
	for in, want := range map[string]string{"nginx": "nginx", "/usr/sbin/nginx": "nginx", "a-program-with-a-long-name": "a-program-with-", "x/": ""} {
		if got := commOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
