package gen

import (
	"context"
	"crypto/tls"
	"testing"
	"time"
)

func scenario() Scenario {
	return Scenario{Connections: 3, Size: 5000, Rounds: 4, ToServer: true, ToClient: true, Version: tls.VersionTLS13}
}

// Without kernel TLS the same bytes go round through crypto/tls.
func TestRunCountsBothEnds(t *testing.T) {
	for name, change := range map[string]func(*Scenario){
		"send":      func(*Scenario) {},
		"sendfile":  func(s *Scenario) { s.Sendfile = true },
		"to server": func(s *Scenario) { s.ToClient = false },
		"to client": func(s *Scenario) { s.ToServer = false },
		"tls 1.2":   func(s *Scenario) { s.Version = tls.VersionTLS12 },
		"one byte":  func(s *Scenario) { s.Size = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := scenario()
			change(&s)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := Run(ctx, s, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkReport(t, &s, r)
		})
	}
}

func checkReport(t *testing.T, s *Scenario, r *Report) {
	t.Helper()
	if len(r.Connections) != 2*s.Connections {
		t.Fatalf("%d ends, want %d", len(r.Connections), 2*s.Connections)
	}
	want := map[string]uint64{"client": helloSize, "server": 0}
	turn := func(on bool) uint64 {
		if on {
			return uint64(s.Rounds * s.Size)
		}
		return 0
	}
	want["server"] += turn(s.ToClient)
	want["client"] += turn(s.ToServer)
	if !s.ToServer {
		want["client"] += uint64(s.Rounds)
	}
	for _, c := range r.Connections {
		other := map[string]string{"client": "server", "server": "client"}[c.Role]
		if c.Sent != want[c.Role] || c.Received != want[other] {
			t.Errorf("%s sent %d received %d, want %d and %d", c.Role, c.Sent, c.Received, want[c.Role], want[other])
		}
	}
}

func TestDurationEndsARun(t *testing.T) {
	s := scenario()
	s.Rounds, s.Rate, s.Duration = 0, 100, 300*time.Millisecond
	r, err := Run(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.DurationNS < s.Duration {
		t.Errorf("ran %v, want at least %v", r.DurationNS, s.Duration)
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, change := range map[string]func(*Scenario){
		"connections": func(s *Scenario) { s.Connections = 0 },
		"size":        func(s *Scenario) { s.Size = 0 },
		"large":       func(s *Scenario) { s.Size = maxSize + 1 },
		"direction":   func(s *Scenario) { s.ToServer, s.ToClient = false, false },
		"both roles":  func(s *Scenario) { s.Listen, s.Connect = "a", "b" },
	} {
		s := scenario()
		change(&s)
		if s.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseHello(f *testing.F) {
	s := scenario()
	f.Add(s.hello())
	f.Add([]byte("ktls"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseHello(b)
		if err == nil && s.Check() != nil {
			t.Errorf("accepted %q", b)
		}
	})
}
