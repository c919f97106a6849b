package sink

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// reported is what a line of JSON says of records and losses.
type reported struct {
	Type    string
	Cause   string
	Count   uint64
	Content string `json:"content_type"`
	Records struct{ TX, RX uint64 }
	Lost    json.RawMessage
	Bytes   struct{ TX, RX uint64 }
	Weight  uint64
	// Unweighted are the records that sampling left out and no line stands for.
	Unweighted struct{ TX, RX uint64 }
}

func parse(t *testing.T, b []byte) (lines []reported) {
	t.Helper()
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var l reported
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatalf("%v: %s", err, s.Bytes())
		}
		lines = append(lines, l)
	}
	return lines
}

// TestFullOutput: while nobody reads, ordinary records are left out and what is
// rare is not; what is written and what is counted as left out is all there was.
func TestFullOutput(t *testing.T) {
	const n, alerts = 1000, 20
	file := newStuck()
	q := NewQueue(file, QueueConfig{Bytes: 100_000})
	j := NewJSON(q, FixedClock(0), event.TierNone)
	write := func(ev event.Event) {
		t.Helper()
		if err := j.Write(ev); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		r := sampleRecord()
		r.Type, r.Seq = event.ApplicationData, uint64(i)
		write(r)
		if i%(n/alerts) == 0 {
			r.Type = event.Alert
			write(r)
		}
	}
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	summary := &event.Summary{Lost: map[string]uint64{"ring_full": 3}}
	d := sampleRecord().Dir
	summary.Totals.Records[d] = n + alerts
	write(summary)
	close(file.release)
	if err := q.Close(nil); err != nil {
		t.Fatal(err)
	}
	checkFull(t, parse(t, file.Bytes()), n, alerts)
	if len(summary.Lost) != 1 {
		t.Errorf("the run's own summary has changed: %v", summary.Lost)
	}
}

// What a record stands for stands behind nothing when the record is left out.
func TestFullOutputKeepsWeights(t *testing.T) {
	const n, behind = 1000, 9
	file := newStuck()
	q := NewQueue(file, QueueConfig{Bytes: 100_000})
	j := NewJSON(q, FixedClock(0), event.TierNone)
	for i := range n {
		r := sampleRecord()
		r.Type, r.Seq, r.Skipped = event.ApplicationData, uint64(i), behind
		if err := j.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	summary := &event.Summary{Skipped: [2]uint64{2, 2}}
	summary.Totals.Records[sampleRecord().Dir] = n
	summary.Totals.Sampled[sampleRecord().Dir] = n * behind
	if err := j.Write(summary); err != nil {
		t.Fatal(err)
	}
	close(file.release)
	if err := q.Close(nil); err != nil {
		t.Fatal(err)
	}
	var weights, left uint64
	for _, l := range parse(t, file.Bytes()) {
		switch l.Type {
		case "record":
			weights += l.Weight
		case "lost":
			left += l.Count
		case "summary":
			weights += l.Unweighted.TX + l.Unweighted.RX
		}
	}
	if left == 0 || weights+left != n*(behind+1)+4 {
		t.Errorf("the lines stand for %d records and %d were left out, of %d", weights, left, n*(behind+1)+4)
	}
}

func checkFull(t *testing.T, lines []reported, n, alerts int) {
	t.Helper()
	data, rare, left := 0, 0, 0
	for _, l := range lines {
		switch {
		case l.Type == "record" && l.Content == "alert":
			rare++
		case l.Type == "record":
			data++
		case l.Type == "lost" && l.Cause == CauseOutput:
			left += int(l.Count)
		}
	}
	if left == 0 || data+left != n || rare != alerts {
		t.Errorf("%d of %d records are written, %d are reported as left out; %d of %d alerts", data, n, left, rare, alerts)
	}
	last := lines[len(lines)-1]
	var lost map[string]int
	if err := json.Unmarshal(last.Lost, &lost); err != nil {
		t.Fatal(err)
	}
	if lost[CauseOutput] != left || lost["ring_full"] != 3 || int(last.Records.TX+last.Records.RX) != data+rare {
		t.Errorf("the summary has %+v records, lost %v", last.Records, lost)
	}
}

// TestFullOutputReportsInTime: the loss is reported when there is room again, not only at
// the end.
func TestFullOutputReportsInTime(t *testing.T) {
	file := newStuck()
	q := NewQueue(file, QueueConfig{Bytes: 2000})
	j := NewJSON(q, FixedClock(0), event.TierNone)
	for range 10 {
		if err := j.Write(sampleRecord()); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Flush(); err != nil || j.reported[0].Count != 0 {
		t.Errorf("%d reported while the queue is full, %v", j.reported[0].Count, err)
	}
	close(file.release)
	for !q.Relaxed() {
		<-q.space
	}
	if err := j.Flush(); err != nil || j.reported[0].Count == 0 || j.reported[0].Count != j.records() {
		t.Errorf("%d reported, %d were left out, %v", j.reported[0].Count, j.records(), err)
	}
	if err := q.Close(nil); err != nil {
		t.Error(err)
	}
}

// TestFullCapture: a file of packets stays one, and says how much it lacks.
func TestFullCapture(t *testing.T) {
	file := newStuck()
	files, err := NewFiles("", Rotation{}, QueueConfig{Bytes: 10_000}, func(string) (io.WriteCloser, error) { return file, nil })
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPcapng(files, PcapngConfig{Clock: FixedClock(0)})
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	for i := range uint64(n) {
		if err := p.Write(packetRecord(i, "0123456789", 10)); err != nil {
			t.Fatal(err)
		}
	}
	close(file.release)
	if err := p.q.Close(nil); err != nil {
		t.Fatal(err)
	}
	all, _ := readPcapng(t, file.Bytes())
	if left := int(p.Dropped()); left == 0 || len(all)-3+left != n {
		t.Errorf("%d packets and the handshake's 3, %d records left out, of %d", len(all)-3, left, n)
	}
}
