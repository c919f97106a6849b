package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktlstop/ktlstop/internal/bench"
)

const docs = "../../../../docs"

// TestCurrent: the documents match docs/bench.json.
func TestCurrent(t *testing.T) {
	data, err := read(filepath.Join(docs, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := bench.Document(sections, data)
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/%s is not current (%v): run go run ./internal/bench/cmd/benchdoc", name, err)
		}
	}
}

// TestMeasured: the committed figures are complete, and were measured with the kernel's
// TLS. A stream takes at least a read, a write and a receive.
func TestMeasured(t *testing.T) {
	data, err := read(filepath.Join(docs, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{"library", "datagrams"} {
		var r bench.Result
		if err := json.Unmarshal(data[section], &r); err != nil {
			t.Fatalf("%s: %v", section, err)
		}
		for _, c := range r.Cells {
			if c.Skipped != "" || c.Bytes == 0 || c.Syscalls == nil || *c.Syscalls < uint64(3*c.Streams) || c.Wall < c.User+c.System/2 {
				t.Errorf("%s: %+v", section, c)
			}
		}
		if len(r.Cells) < 5*4 {
			t.Errorf("%s: %d measurements", section, len(r.Cells))
		}
	}
}

// TestRun replaces a section without changing the others.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("bench.json", `{"other": {"kept": 1}}`)
	part := write("part", `{"machine":{"kernel":"6.1"},"cells":[{"way":"tcp write","size":1024,"streams":1,"bytes":1024,"wall_ns":1000}]}`)
	if err := run(dir, []string{"library=" + part}); err != nil {
		t.Fatal(err)
	}
	data, err := read(filepath.Join(dir, "bench.json"))
	if err != nil || !bytes.Contains(data["other"], []byte("kept")) || !bytes.Contains(data["library"], []byte("tcp write")) {
		t.Errorf("%s, %v", data, err)
	}
	two := write("two", `{"machine":{"kernel":"6.1"},"cells":[{"way":"tcp write","size":1,"bytes":1},{"way":"tcp write","size":9,"bytes":9}]}
		{"cells":[{"way":"C write","size":1,"bytes":1},{"way":"C write","size":9,"bytes":9}]}`)
	if err := run(dir, []string{"library=" + two}); err != nil {
		t.Fatal(err)
	}
	if data, err = read(filepath.Join(dir, "bench.json")); err != nil {
		t.Fatal(err)
	}
	var r bench.Result
	if err := json.Unmarshal(data["library"], &r); err != nil || r.Machine.Kernel != "6.1" || len(r.Cells) != 4 || r.Cells[1].Way != "C write" || r.Cells[1].Size != 1 {
		t.Errorf("%+v, %v: not what both programs measured", r, err)
	}
	report := write("report", `{"kernel":"Linux 6.12.1","counted":[]}`)
	for _, name := range []string{"6.1", "6.12", "6.1"} {
		if err := run(dir, []string{"modes/" + name + "=" + report}); err != nil {
			t.Fatal(err)
		}
	}
	if data, err = read(filepath.Join(dir, "bench.json")); err != nil {
		t.Fatal(err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data["modes"], &parts); err != nil || len(parts) != 2 || parts["6.1"] == nil || parts["6.12"] == nil {
		t.Errorf("%s, %v: not both parts", data["modes"], err)
	}
	for _, name := range []string{"bench.md", "bench-library.svg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"library", "unknown=" + part, "library=/nowhere", "library=" + write("bad", "{"), "library=" + write("none", "")} {
		if err := run(dir, []string{bad}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
