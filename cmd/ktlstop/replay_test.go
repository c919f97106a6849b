package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
)

const recording = "../../docs/picture/recording.jsonl"

// execute runs the command line and returns what it prints.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// TestReadAgain: a recording that is read and written again is what it was.
func TestReadAgain(t *testing.T) {
	want, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	got, err := execute(t, "trace", "--read", recording, "-o", "json")
	if err != nil || got != string(want) {
		t.Errorf("%v: %d bytes became %d", err, len(want), len(got))
	}
	text, err := execute(t, "trace", "--read", recording)
	if records := bytes.Count(want, []byte(`"type":"record"`)); err != nil || strings.Count(text, " data ")+strings.Count(text, " hshk ")+strings.Count(text, " alrt ") != records {
		t.Errorf("%v: not %d records in\n%s", err, records, text)
	}
}

// TestReadKeepsPlaintextPrivate: what holds plaintext is for its owner only, in
// a copy as well.
func TestReadKeepsPlaintextPrivate(t *testing.T) {
	b, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, bytes.ReplaceAll(b, []byte(`"tier":"none"`), []byte(`"tier":"snap"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := execute(t, "trace", "--read", in, "-w", out); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(out); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// TestReadRefusesItself: what is read is not written over, whatever its names.
func TestReadRefusesItself(t *testing.T) {
	b, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in, hard, soft := filepath.Join(dir, "in"), filepath.Join(dir, "hard"), filepath.Join(dir, "soft.pcapng")
	if err := errors.Join(os.WriteFile(in, b, 0o600), os.Link(in, hard), os.Symlink(in, soft)); err != nil {
		t.Fatal(err)
	}
	var usage *usageError
	for _, out := range []string{in, hard, soft} {
		if _, err := execute(t, "trace", "--read", in, "-w", out); !errors.As(err, &usage) {
			t.Errorf("-w %s: %v", out, err)
		}
	}
	if now, err := os.ReadFile(in); err != nil || !bytes.Equal(now, b) {
		t.Errorf("%v: %d bytes became %d", err, len(b), len(now))
	}
}

func TestReadRefuses(t *testing.T) {
	var usage *usageError
	for _, args := range [][]string{
		{"trace", "--read", ""}, {"--read", ""}, {"trace", "--read", recording, "--comm", "nginx"}, {"--read", recording, "-s", "16"},
		{"trace", "--read", recording, "-c", "3"}, {"--read", recording, "--speed", "-1"}, {"--read", recording, "--speed", "NaN"},
		{"--speed", "2"}, {"--read", recording, "-o", "text"}, {"trace", "--read", recording, "-o", "xml"},
	} {
		if _, err := execute(t, args...); !errors.As(err, &usage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, args := range [][]string{{"trace", "--read", "nowhere"}, {"--read", "replay_test.go"}, {"trace", "--read", t.TempDir()}} {
		if _, err := execute(t, args...); err == nil || errors.As(err, &usage) || !strings.Contains(err.Error(), "read the recording "+args[len(args)-1]) && !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestReadNothing: a file of which not one event can be read is no recording.
func TestReadNothing(t *testing.T) {
	for _, text := range []string{"", "hello"} {
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"trace", "--read", name}, {"--read", name}} {
			stdout, stderr, status := ktlstop(t, args...)
			if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "ktlstop: read the recording "+name+": there is no event in it") ||
				strings.Count(stderr, "\n") != 1 {
				t.Errorf("%q of %q: status %d, %q, %q", args, text, status, stdout, stderr)
			}
		}
	}
}

// TestReadAsPackets: a recording becomes packets with its own times.
func TestReadAsPackets(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.pcapng")
	if _, err := execute(t, "trace", "--read", recording, "-w", out); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	packets := 0
	for {
		_, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if info.Timestamp.Year() != 2026 {
			t.Fatalf("a packet is of %v", info.Timestamp)
		}
		packets++
	}
	if packets < 100 {
		t.Errorf("%d packets", packets)
	}
}

// TestReadAgainKeepsTimes: each event keeps the wall clock time it was recorded
// with, whatever the clock did in between.
func TestReadAgainKeepsTimes(t *testing.T) {
	b, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	for i := range lines[:len(lines)/2] {
		lines[i] = bytes.Replace(lines[i], []byte(`"ts":"2026-`), []byte(`"ts":"2025-`), 1)
	}
	stepped := bytes.Join(lines, nil)
	in := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(in, stepped, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := execute(t, "trace", "--read", in, "-o", "json")
	if err != nil || got != string(stepped) {
		t.Errorf("%v: the times of %d bytes are others", err, len(stepped))
	}
}

// TestReadWithoutSummary: what is cut at a line's end is no whole recording, and not less
// readable for it.
func TestReadWithoutSummary(t *testing.T) {
	whole, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "cut")
	for text, want := range map[string]string{
		string(whole): "",
		string(whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1]): "ktlstop: " + name + ": it has no summary",
		string(whole[:len(whole)-9]):                                      "ktlstop: " + name + ": the last line is cut off",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"trace", "--read", name}, {"--read", name, "--speed", "0", "-o", "json"}} {
			_, stderr, status := ktlstop(t, args...)
			if status != 0 || !strings.HasPrefix(stderr, want) || (want == "") != (stderr == "") || strings.Count(stderr, "\n") > 1 {
				t.Errorf("%q: status %d, %q, want %q", args, status, stderr, want)
			}
		}
	}
}

// TestReadAsSnapshots: at once there is one, of the end.
func TestReadAsSnapshots(t *testing.T) {
	out, err := execute(t, "--read", recording, "--speed", "0", "-o", "json")
	if err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("%v: %.300s", err, out)
	}
	var got struct{ TX, RX struct{ Records int } }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(recording)
	if sum := got.TX.Records + got.RX.Records; err != nil || sum != bytes.Count(all, []byte(`"type":"record"`)) {
		t.Errorf("%v: %d records in %.300s", err, sum, out)
	}
}
