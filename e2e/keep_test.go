package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// types are the types of a trace's lines, once if several of one type follow each
// other.
func (tr trace) types() (all []string) {
	for i := range tr {
		all = append(all, tr[i].Type)
	}
	return slices.Compact(all)
}

// TestKeep: nothing is written until a record does not open, and then exactly the
// generator's records, with the trigger after the error.
func TestKeep(t *testing.T) {
	onOneKernel(t)
	tr := startTracer(t, "--keep", "10m", "--keep-after", "10s", "--on", "errno == EBADMSG") // the rest of what made may take long
	before := gen(t, "-n", "3")
	if n := len(tr.lines()); n > 0 {
		t.Errorf("%d lines before anything was wrong", n)
	}
	made := gen(t, "--fault", "corrupt", "--rounds", "2")
	tr.waitFor(func() bool { return slices.Contains(tr.lines().types(), "summary") })
	kept := tr.lines()
	compareGen(t, kept, before)
	compareGen(t, kept, made)
	i := slices.IndexFunc(kept, func(l line) bool { return l.Type == "trigger" })
	if i < 1 || kept[i-1].Errno != "EBADMSG" {
		t.Errorf("in front of the trigger stands no error, in %v", kept.types())
	}
	kept.sums(t)
	if after := tr.stop(); len(after) != len(kept) {
		t.Errorf("%d more lines at the end: %v", len(after)-len(kept), after[len(kept):].types())
	}
}

// sums checks that the last line counts the records.
func (tr trace) sums(t *testing.T) {
	t.Helper()
	records := len(tr.filter(func(l *line) bool { return l.Type == "record" }))
	if s := tr[len(tr)-1]; s.Type != "summary" || int(s.Records["tx"]+s.Records["rx"]) != records {
		t.Errorf("the last line is %+v, of %d records", s, records)
	}
}

// TestRecord: SIGUSR1 makes a file of the past events, which only its owner can read
// and which --read opens; the next file continues where it ends.
func TestRecord(t *testing.T) {
	onOneKernel(t)
	dir := t.TempDir()
	tr := &tracer{t: t, cmd: exec.Command(program, "trace", "--keep", "10m", "--keep-after", "1s", "--record", dir)}
	tr.start()
	for n := 1; n <= 2; n++ {
		made := gen(t, "-n", strconv.Itoa(n))
		must(t, tr.cmd.Process.Signal(syscall.SIGUSR1))
		var files []string
		tr.waitFor(func() bool {
			var err error
			files, err = filepath.Glob(filepath.Join(dir, "ktlstop-*.jsonl"))
			must(t, err)
			return len(files) == n
		})
		st, err := os.Stat(files[n-1])
		must(t, err)
		if st.Mode() != 0o600 {
			t.Errorf("%s: %v", files[n-1], st.Mode())
		}
		stdout, stderr, status := ktlstop(t, "trace", "--read", files[n-1], "-o", "json")
		if status != 0 || stderr != "" {
			t.Fatalf("status %d, %s", status, stderr)
		}
		lines := trace(parse(t, []byte(stdout)))
		compareGen(t, lines, made)
		lines.sums(t)
	}
	must(t, tr.cmd.Process.Signal(os.Interrupt))
	tr.wait()
}
