package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

const (
	begin  = `{"v":1,"type":"`
	middle = `","ts":"2026-11-22T18:10:00.000000005Z","mono_ns":5`
	conn   = `,"sock":{"cookie":1,"netns":2,"family":"inet","laddr":"192.0.2.1","lport":443,"raddr":"192.0.2.9","rport":9}`
	record = begin + `record` + middle + conn + `,"dir":"tx","seq":1,"content_type_id":23,"len":7,"tier":"none"}`
	closed = begin + `socket` + middle + conn + `,"state":"close"}`
)

// readAll returns what a recording holds, and how it ended.
func readAll(text string) (events []event.Event, err error) {
	r := NewReader(strings.NewReader(text))
	for {
		ev, err := r.Next()
		if err != nil {
			return events, err
		}
		events = append(events, ev)
	}
}

// TestErrors: what is no recording is reported in one line that says where.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"what\n":                         "line 1: no JSON at byte 1",
		record + "\n\n{\n":               "line 3: no JSON at byte 1",
		"[]\n":                           "line 1: an event cannot be array",
		"{}\n":                           "line 1: no event of ktlstop trace",
		`{"v":1,"type":"record"}` + "\n": "line 1: no event of ktlstop trace",
		strings.Replace(record, `"v":1`, `"v":2`, 1) + "\n":                                                       "line 1: version 2 of the schema",
		strings.Replace(record, `2026-11-22T`, `soon`, 1) + "\n":                                                  "line 1: parsing time",
		strings.Replace(record, `"seq":1`, `"seq":-1`, 1) + "\n":                                                  "line 1: seq cannot be number -1",
		strings.Replace(record, `"seq":1`, `"seq":1e99`, 1) + "\n":                                                "line 1: seq cannot be number 1e99",
		strings.Replace(record, `"content_type_id":23`, `"content_type_id":256`, 1) + "\n":                        "line 1: content_type_id cannot be number 256",
		strings.Replace(record, `"tx"`, `"up"`, 1) + "\n":                                                         `line 1: direction "up"`,
		strings.Replace(record, `192.0.2.1`, `nowhere`, 1) + "\n":                                                 `line 1: laddr "nowhere" is no address`,
		strings.Replace(record, `192.0.2.1`, `fe80::1%\u001b[2J`, 1) + "\n":                                       `line 1: laddr "fe80::1%\x1b[2J" is no address`,
		strings.Replace(record, conn, ``, 1) + "\n":                                                               `line 1: sock is missing`,
		strings.Replace(closed, `"close"`, `"gone"`, 1) + "\n":                                                    `line 1: state "gone" is none of`,
		strings.Replace(record, `"len"`, `"payload":{"data":"`+strings.Repeat("AAAA", 5462)+`"},"len"`, 1) + "\n": `line 1: payload is 16386 bytes`,
		strings.Replace(record, `"len"`, `"container":"`+strings.Repeat("c", 300)+`","len"`, 1) + "\n":            `line 1: container is 300 bytes`,
		strings.Replace(record, `"len"`, `"weight":9223372036854775808,"len"`, 1) + "\n":                          `line 1: weight 9223372036854775808 of a record of`,
		strings.Replace(record, `"len":7`, `"weight":4294967296,"len":4294967295`, 1) + "\n":                      `line 1: weight 4294967296 of a record of 4294967295 bytes`,
		record + "\n" + strings.Repeat("x", maxLine+1):                                                            "line 2: longer than",
	} {
		_, err := readAll(text)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.80q: %v, want %s", text, err, want)
		}
	}
}

// TestCut: a recording whose end is missing is read up to there.
func TestCut(t *testing.T) {
	for n := range len(record) {
		events, err := readAll(closed + "\n" + record[:n])
		want := ErrCut
		if n == 0 {
			want = io.EOF
		}
		if !errors.Is(err, want) || len(events) != 1 {
			t.Fatalf("cut at %d: %d events, %v", n, len(events), err)
		}
	}
	if events, err := readAll(closed + "\n" + record); !errors.Is(err, io.EOF) || len(events) != 2 {
		t.Errorf("without the last newline: %d events, %v", len(events), err)
	}
}

// TestUnended: a whole recording ends with a summary, which one that is cut at a line's end
// has not.
func TestUnended(t *testing.T) {
	for text, want := range map[string]bool{
		closed + "\n" + endText: false, closed + "\n": true, endText + closed + "\n": true, "": true,
		// A host's summary comes where it ended, and another's events may follow.
		strings.ReplaceAll(closed+"\n"+endText+closed+"\n", `"mono_ns"`, `"host":"a","mono_ns"`): false,
	} {
		r := NewReader(strings.NewReader(text))
		if r.Unended() {
			t.Errorf("%q: before it was read", text)
		}
		for {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if r.Unended() != want {
			t.Errorf("%q: %v", text, r.Unended())
		}
	}
}

// TestLater: what a later version of the schema adds is left out.
func TestLater(t *testing.T) {
	text := begin + `weather` + middle + `,"dir":7}` + "\n" +
		strings.Replace(record, `"len"`, `"colour":"red","op":"teleport","len"`, 1) + "\r\n"
	events, err := readAll(text)
	if !errors.Is(err, io.EOF) || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if r := events[0].(*event.Record); r.Op != event.OpNone || r.Len != 7 || r.Conn.LPort != 443 {
		t.Errorf("%+v", r)
	}
}

// TestLeftOut: lines that are no event are counted.
func TestLeftOut(t *testing.T) {
	other := strings.Replace(record, `"record"`, `"http"`, 1)
	r := NewReader(strings.NewReader(record + "\n" + other + "\n" + other + "\n"))
	for _, err := r.Next(); err == nil; _, err = r.Next() {
	}
	if n := r.SkippedLines(); n != 2 || other == record {
		t.Errorf("%d lines left out, want 2", n)
	}
}

func TestCausesAreBounded(t *testing.T) {
	var text strings.Builder
	for i := range maxCauses + 1 {
		text.WriteString(begin + `lost` + middle + `,"count":1,"cause":"` + strings.Repeat("c", i+1) + `"}` + "\n")
	}
	events, err := readAll(text.String())
	if len(events) != maxCauses || err == nil || !strings.HasPrefix(err.Error(), "line 65: more than 64 causes") {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// TestConnections: a connection has the same number all along, another one
// another.
func TestConnections(t *testing.T) {
	ids := map[uint64]bool{}
	for _, text := range []string{
		record, closed, strings.Replace(record, `"cookie":1`, `"cookie":2`, 1), strings.Replace(record, `"netns":2`, `"netns":3`, 1),
		strings.Replace(record, `"rport":9`, `"rport":10`, 1), strings.Replace(record, `192.0.2.9`, `192.0.2.8`, 1),
	} {
		r, err := readAll(text + "\n")
		if len(r) != 1 {
			t.Fatal(err)
		}
		switch ev := r[0].(type) {
		case *event.Record:
			ids[ev.Conn.ID] = true
		case *event.Socket:
			ids[ev.Conn.ID] = true
		}
	}
	if len(ids) != 5 || ids[0] {
		t.Errorf("ids %v, want five", ids)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		name := filepath.Join(dir, "events")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	r, file, err := Open(write(closed + "\n" + strings.Replace(record, `"none"`, `"snap"`, 1) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if r.Tier() != event.TierSnap || r.Offset() != 1795371000_000000000 {
		t.Errorf("tier %v, offset %d before the first event", r.Tier(), r.Offset())
	}
	if ev, err := r.Next(); err != nil || ev.(*event.Socket).State != event.SocketClose {
		t.Errorf("the first event is %v, %v", ev, err)
	}
	for name, want := range map[string]string{dir: "not a regular file", filepath.Join(dir, "nothing"): "no such file"} {
		if _, _, err := Open(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, text := range []string{"", "\n", "hello", record[:len(record)-1]} {
		if _, _, err := Open(write(text)); err == nil || !strings.Contains(err.Error(), "there is no event in it") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"\x1f\x8b\x08\x00": "gunzip it first", "\x28\xb5\x2f\xfd\x04": "unzstd it first", "\xef\xbb\xbf" + record + "\n": "byte order mark",
		"\n\r\r\n\x1c\x00\x00\x00": "it is a capture",
	} {
		if _, _, err := Open(write(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "JSON") {
			t.Errorf("%.8q: %v, want %s", text, err, want)
		}
	}
	if _, file, err := Open(write(closed + "\nhello")); err != nil {
		t.Errorf("one event and a line that is cut off: %v", err)
	} else {
		file.Close()
	}
}

// FuzzReader: whatever a file holds, there is an event or one line that says
// what is wrong, and the line of an event reads as the same.
func FuzzReader(f *testing.F) {
	golden, err := os.ReadFile("../sink/testdata/events.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(record + "\n" + closed))
	f.Add([]byte("{}\n[]\nnull\n{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := NewReader(bytes.NewReader(text))
		for {
			ev, err := r.Next()
			if err != nil {
				checkError(t, err)
				return
			}
			checkEvent(t, ev, r.Clock())
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	ok := errors.Is(err, io.EOF) || errors.Is(err, ErrCut) || strings.HasPrefix(err.Error(), "line ")
	if s := sink.Sanitize(err.Error()); !ok || strings.Contains(s, "\n") || len(s) > 1000 {
		t.Errorf("%q", err)
	}
}

func checkEvent(t *testing.T, ev event.Event, clock sink.Clock) {
	t.Helper()
	line := func(ev event.Event) []byte {
		return sink.NewJSON(nil, clock, event.TierSnap).AppendEvent(nil, ev)
	}
	text := line(ev)
	if !json.Valid(text) {
		t.Errorf("%s", text)
	}
	again, err := NewReader(bytes.NewReader(text)).Next()
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if got := line(again); !bytes.Equal(got, text) {
		t.Errorf("%s\nbecame\n%s", text, got)
	}
}
