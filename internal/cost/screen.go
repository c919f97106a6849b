package cost

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Screen is the dashboard on a terminal, replaying a recording.
type Screen struct {
	Conns int `json:"conns"`
	// Drawn is the time from the start to a picture that has all connections, in
	// seconds.
	Drawn float64 `json:"drawn"`
	// PeakRSS is the highest resident memory of the process, in bytes (VmHWM).
	PeakRSS int64 `json:"peak_rss"`
}

// screens are the numbers of connections that MeasureScreens shows.
var screens = []int{1, 1000, 100_000}

// watched is how long the dashboard keeps drawing before its memory is read.
const watched = 3 * time.Second

// MeasureScreens replays recordings in which each connection has one record in each
// direction. It needs neither root nor kernel TLS.
func MeasureScreens(program string) (all []Screen, err error) {
	dir, err := os.MkdirTemp("", "cost")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, n := range screens {
		s, err := measureScreen(program, filepath.Join(dir, "recording.jsonl"), n)
		if err != nil {
			return nil, fmt.Errorf("the dashboard with %d connections: %w", n, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func measureScreen(program, recording string, conns int) (s Screen, err error) {
	if err := writeRecording(recording, conns); err != nil {
		return s, err
	}
	t := Tool{Name: "ktlstop --read", Args: []string{program, "--read", recording}, Screen: true, ReadyText: fmt.Sprintf(" %d conn ", conns)}
	r, err := t.start()
	if err != nil {
		return s, err
	}
	defer r.stop()
	time.Sleep(watched)
	s = Screen{Conns: conns, Drawn: r.startup.Seconds()}
	s.PeakRSS, err = r.peakRSS()
	return s, err
}

// recorded is a line of ktlstop trace -o json: direction, connection, its addresses and
// port, and the names of the call and of the first two stages.
const recorded = `{"v":1,"type":"record","ts":"2026-01-01T00:00:00Z","mono_ns":%[1]d,"dir":%[2]q,"seq":0,"content_type":"application_data",` +
	`"content_type_id":23,"len":1000,"op":%[3]q,"pid":%[4]d,"tid":%[4]d,"comm":"nginx","uid":33,"cgroup_id":7,"container":"",` +
	`"sock":{"cookie":%[5]d,"netns":4026531840,"family":"inet","laddr":"192.0.2.1","lport":443,"raddr":"198.51.100.%[6]d","rport":%[7]d},` +
	`"tls":{"version":"1.3","cipher":"AES-GCM-128","mode":"sw","zerocopy":false},"lat_ns":{%[8]q:10000,%[9]q:10000,"total":20000}}` + "\n"

func writeRecording(name string, conns int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for i := range conns {
		at, pid, cookie, host, port := int64(1e9)+int64(i)*1000, 100+i%50, i+1, i/50_000+1, 1024+i%50_000
		fmt.Fprintf(w, recorded, at, "tx", "send", pid, cookie, host, port, "queue", "encrypt")
		fmt.Fprintf(w, recorded, at, "rx", "recv", pid, cookie, host, port, "wait", "decrypt")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
