package observe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
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

// importPath is where docs/fleet.md sends lines to VictoriaLogs.
func importPath(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(fleetFile)
	if err != nil {
		t.Fatal(err)
	}
	path := regexp.MustCompile(`'http://127\.0\.0\.1:9428(/insert/jsonline[^']*)'`).FindSubmatch(page)
	if path == nil {
		t.Fatal("no import into VictoriaLogs")
	}
	return string(path[1])
}

// TestVictoriaLogs gives VictoriaLogs what ktlstop trace -o json writes, as docs/fleet.md says, twice as of two hosts, and
// asks what the page asks.
func TestVictoriaLogs(t *testing.T) {
	logs := startServer(t, "victoria-logs", "/health", func(address, data string) []string {
		return []string{"-httpListenAddr=" + address, "-storageDataPath=" + data}
	})
	var body bytes.Buffer
	want, keyed := traffic{}, map[string]bool{}
	enc := json.NewEncoder(&body)
	for _, line := range recorded(t) {
		switch sock, _ := line["sock"].(map[string]any); {
		case line["type"] == "record":
			for range 2 {
				want.add(line["comm"], line["dir"], 1, line["len"].(json.Number).String())
			}
		case line["type"] == "socket" && slices.Contains([]any{"found", "open", "rekey"}, line["state"]):
			keyed[fmt.Sprint(sock["netns"], sock["cookie"])] = true
		}
		if err := enc.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	path, lines := importPath(t), body.Bytes()
	for _, host := range []string{"web1", "web2"} {
		logs.do(http.MethodPost, strings.Replace(path, "web1", host, 1), "application/stream+json", bytes.NewReader(lines))
	}
	logs.do(http.MethodGet, "/internal/force_flush", "", nil)
	for i, q := range questions(t, "logsql") {
		rows := logs.logs(q.query)
		if len(rows) == 0 {
			t.Errorf("no answer to %q: %s", q.about, q.query)
		}
		switch i {
		case 0:
			got := traffic{}
			for _, row := range rows {
				n, _ := strconv.Atoi(row["records"])
				got.add(row["comm"], row["dir"], n, row["bytes"])
			}
			if !maps.Equal(got, want) {
				t.Errorf("VictoriaLogs counts %v, and there are %v", got, want)
			}
		case 4:
			connections := 0
			for _, row := range rows {
				n, _ := strconv.Atoi(row["connections"])
				connections += n
			}
			if connections != 2*len(keyed) {
				t.Errorf("VictoriaLogs counts %d connections, and each of two hosts has %d", connections, len(keyed))
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
