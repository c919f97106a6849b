package observe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const fleetFile = "../../docs/fleet.md"

// question is what docs/fleet.md asks: the comment above it, and the query.
type question struct{ about, query string }

// questions are those of the page's blocks in a language.
func questions(t *testing.T, language string) (all []question) {
	t.Helper()
	page, err := os.ReadFile(fleetFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(page, -1) {
		for _, part := range strings.Split(strings.TrimSpace(string(block[1])), "\n\n") {
			about, query, _ := strings.Cut(part, "\n")
			all = append(all, question{strings.TrimPrefix(about, "# "), query})
		}
	}
	if len(all) != 6 {
		t.Fatalf("%d questions in %s", len(all), language)
	}
	return all
}

func TestFleetExpressions(t *testing.T) {
	for _, q := range questions(t, "promql") {
		if err := check(q.query); err != nil {
			t.Errorf("%s: %v", q.about, err)
		}
	}
}

// recorded are lines of ktlstop trace as if they were an hour old: archives refuse what is older than they keep.
func recorded(t *testing.T) (lines []map[string]any) {
	t.Helper()
	start := time.Now().Add(-time.Hour)
	for _, name := range []string{"../../docs/picture/recording.jsonl", "../sink/testdata/events.jsonl"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber() // sequences have 64 bits
		for d.More() {
			var line map[string]any
			if err := d.Decode(&line); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			line["ts"] = start.Add(time.Duration(len(lines)) * time.Millisecond).UTC().Format(time.RFC3339Nano)
			lines = append(lines, line)
		}
	}
	return lines
}

// traffic is a program's records and bytes in one direction, by "comm dir".
type traffic map[string][2]int

func (sums traffic) add(comm, dir any, records int, bytes string) {
	n, err := strconv.Atoi(bytes)
	if err != nil {
		return
	}
	key := comm.(string) + " " + dir.(string)
	sums[key] = [2]int{sums[key][0] + records, sums[key][1] + n}
}

// TestVictoriaLogs gives VictoriaLogs what ktlstop trace -o json writes, as it is, and asks what docs/fleet.md asks.
func TestVictoriaLogs(t *testing.T) {
	logs := startServer(t, "victoria-logs", "/health", func(address, data string) []string {
		return []string{"-httpListenAddr=" + address, "-storageDataPath=" + data}
	})
	var body bytes.Buffer
	want := traffic{}
	enc := json.NewEncoder(&body)
	for _, line := range recorded(t) {
		if line["type"] == "record" {
			want.add(line["comm"], line["dir"], 1, line["len"].(json.Number).String())
		}
		if err := enc.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	logs.do(http.MethodPost, "/insert/jsonline?_stream_fields=type,comm&_time_field=ts&_msg_field=op", "application/stream+json", &body)
	logs.do(http.MethodGet, "/internal/force_flush", "", nil)
	for i, q := range questions(t, "logsql") {
		rows := logs.logs(q.query)
		if len(rows) == 0 {
			t.Errorf("no answer to %q: %s", q.about, q.query)
		}
		if i == 0 {
			got := traffic{}
			for _, row := range rows {
				n, _ := strconv.Atoi(row["records"])
				got.add(row["comm"], row["dir"], n, row["bytes"])
			}
			if !maps.Equal(got, want) {
				t.Errorf("VictoriaLogs counts %v, and there are %v", got, want)
			}
		}
	}
}

// logs asks VictoriaLogs and returns its rows.
func (s *server) logs(query string) (rows []map[string]string) {
	s.t.Helper()
	answer := s.do(http.MethodGet, "/select/logsql/query?query="+url.QueryEscape(query), "", nil)
	for lines := bufio.NewScanner(bytes.NewReader(answer)); lines.Scan(); {
		var row map[string]string
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			s.t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		rows = append(rows, row)
	}
	return rows
}
