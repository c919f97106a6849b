package gen

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"
)

func scenario() Scenario {
	return Scenario{Connections: 3, Size: Size{Min: 5000, Max: 5000}, Rounds: 4, Op: OpSend, ToServer: true, ToClient: true,
		Version: tls.VersionTLS13, List: true, Seed: 1}
}

func run1(t *testing.T, s Scenario) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	r, err := Run(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Without kernel TLS the same bytes are sent by crypto/tls.
func TestRunCountsBothEnds(t *testing.T) {
	for name, change := range map[string]func(*Scenario){
		"send":      func(*Scenario) {},
		"sendfile":  func(s *Scenario) { s.Op = OpSendfile },
		"splice":    func(s *Scenario) { s.Op = OpSplice; s.Size = Size{Min: 40000, Max: 40000} },
		"to server": func(s *Scenario) { s.ToClient = false },
		"to client": func(s *Scenario) { s.ToServer = false },
		"tls 1.2":   func(s *Scenario) { s.Version = tls.VersionTLS12 },
		"one byte":  func(s *Scenario) { s.Size = Size{Min: 1, Max: 1} },
		"range":     func(s *Scenario) { s.Size = Size{Min: 1, Max: 40000} },
		"large":     func(s *Scenario) { s.Size = Size{Min: 3_000_000, Max: 3_000_000}; s.Rounds, s.Connections = 1, 1 },
		"slow":      func(s *Scenario) { s.ReadDelay = 5 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			s := scenario()
			change(&s)
			checkReport(t, &s, run1(t, s))
		})
	}
}

// checkReport draws the sizes again and compares the reports of the ends.
func checkReport(t *testing.T, s *Scenario, r *Report) {
	t.Helper()
	if len(r.Connections) != 2*s.Connections {
		t.Fatalf("%d ends, want %d", len(r.Connections), 2*s.Connections)
	}
	for i := range s.Connections {
		client, server := r.Connections[2*i], r.Connections[2*i+1]
		toServer, toClient := drawn(s, i, towardsServer, s.ToServer), drawn(s, i, towardsClient, s.ToClient)
		toServer += uint64(len(s.hello(i)))
		if !s.ToServer {
			toServer += uint64(s.Rounds)
		}
		if s.DTLS && !s.ToClient { // the server's acknowledgements
			toClient += uint64(s.Rounds)
		}
		if client.Role != "client" || client.Connection != i || server.Role != "server" || server.Connection != i {
			t.Errorf("connection %d: %s %d, %s %d", i, client.Role, client.Connection, server.Role, server.Connection)
		}
		if client.SentBytes != toServer || server.Received != toServer || server.SentBytes != toClient || client.Received != toClient {
			t.Errorf("%+v and %+v, want %d to the server and %d to the client", client, server, toServer, toClient)
		}
		for _, c := range []*ConnReport{client, server} {
			checkTally(t, c)
		}
	}
}

func drawn(s *Scenario, connection, direction int, on bool) (n uint64) {
	st := s.stream(connection, direction)
	for i := 0; on && i < s.Rounds; i++ {
		n += uint64(st.next())
	}
	return n
}

// checkTally: all bytes of application data and one close_notify.
func checkTally(t *testing.T, c *ConnReport) {
	t.Helper()
	var n uint64
	for _, r := range c.Sent.List {
		n += uint64(r.Len)
	}
	if n != c.Sent.Bytes || n != c.SentBytes+2 || uint64(len(c.Sent.List)) != c.Sent.Records || c.Sent.Types["alert"] != 1 ||
		c.Sent.Types["application_data"] != c.Sent.Records-1 || c.Sent.List[len(c.Sent.List)-1] != (Record{"alert", 2, OpSend}) {
		t.Errorf("%+v", c)
	}
}

// TestReasonOnce: the reason for missing kernel TLS is printed once, not for each end.
func TestReasonOnce(t *testing.T) {
	c := func(reason string) *ConnReport {
		return &ConnReport{Role: "client", Local: "a", Remote: "b", Version: "1.3", Cipher: "C", TX: "none", RX: "none", Op: OpSend, Reason: reason}
	}
	r := &Report{Connections: []*ConnReport{c("no module"), c(""), c("no module"), c("a cipher")}}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("client a -> b TLS 1.3 C tx none rx none: 0 writes by send, 0 bytes out, 0 in\n", 4) +
		"not in the kernel, or not both ways, 1 of 4 ends: a cipher\nnot in the kernel, or not both ways, 2 of 4 ends: no module\n"
	if text.String() != want {
		t.Errorf("got\n%s", text.String())
	}
}

// TestTallyCutsRecords: writes that are longer than a record.
func TestTallyCutsRecords(t *testing.T) {
	tally := Tally{listing: true}
	tally.add(23, 40000, OpSplice)
	tally.control(21, 2)
	got, err := json.Marshal(tally)
	want := `{"records":4,"bytes":40002,"types":{"alert":1,"application_data":3},"list":[` +
		`{"type":"application_data","len":16384,"op":"splice"},{"type":"application_data","len":16384,"op":"splice"},` +
		`{"type":"application_data","len":7232,"op":"splice"},{"type":"alert","len":2,"op":"send"}]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// TestSeed: a seed determines the data, another one gives other data.
func TestSeed(t *testing.T) {
	s := scenario()
	s.Size = Size{Min: 1, Max: 20000, Mean: 2000}
	first, again := whatWasSent(t, run1(t, s)), whatWasSent(t, run1(t, s))
	s.Seed++
	other := whatWasSent(t, run1(t, s))
	if first != again {
		t.Errorf("the same seed sent\n%s\nand\n%s", first, again)
	}
	if first == other {
		t.Errorf("two seeds sent the same: %s", first)
	}
}

// whatWasSent is a report without values that a seed does not determine.
func whatWasSent(t *testing.T, r *Report) string {
	t.Helper()
	for _, c := range r.Connections {
		c.Local, c.Remote = "", ""
	}
	b, err := json.Marshal(r.Connections)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFaults(t *testing.T) {
	for fault, want := range map[Fault][2]string{
		FaultCorrupt: {"bad record MAC", "bad record MAC"},
		FaultReset:   {"", "connection reset by peer"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			s := scenario()
			s.Fault, s.Version = fault, version
			r := run1(t, s)
			for i, c := range r.Connections {
				if w := want[i%2]; c.Fault != fault || !strings.Contains(c.FaultError, w) || (c.FaultError == "") != (w == "") {
					t.Errorf("%s, %x: %s saw %q, want %q", fault, version, c.Role, c.FaultError, w)
				}
			}
		}
	}
}

// TestTwoProcesses runs the ends separately, as two processes do.
func TestTwoProcesses(t *testing.T) {
	s := scenario()
	server := s
	server.Listen = "127.0.0.1:0"
	addr := make(chan net.Addr, 1)
	type result struct {
		r   *Report
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := Run(t.Context(), server, func(a net.Addr) { addr <- a })
		done <- result{r, err}
	}()
	s.Connect = (<-addr).String()
	mine := run1(t, s)
	theirs := <-done // it ends by itself after three connections
	if theirs.err != nil || len(mine.Connections) != 3 || len(theirs.r.Connections) != 3 {
		t.Fatalf("%d and %d ends, %v", len(mine.Connections), len(theirs.r.Connections), theirs.err)
	}
	var both Report
	for i := range mine.Connections {
		both.Connections = append(both.Connections, mine.Connections[i], theirs.r.Connections[i])
	}
	checkReport(t, &s, &both)
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

// TestDurationEndsInHandshake: a run that is over before its connections are has no errors, at either end.
func TestDurationEndsInHandshake(t *testing.T) {
	for _, dtls := range []bool{false, true} {
		for _, d := range []time.Duration{1, 1, 2, 3, 5, 8, 13, 21} {
			s := scenario()
			s.DTLS, s.Rounds, s.Duration = dtls, 0, d*time.Millisecond
			if dtls {
				s.Version = tls.VersionTLS12
			}
			if _, err := Run(t.Context(), s, nil); err != nil {
				t.Errorf("%v, DTLS %v: %v", s.Duration, dtls, err)
			}
		}
	}
}

func TestDurationEndsAServer(t *testing.T) {
	s := scenario()
	s.Listen, s.Connections, s.Duration = "127.0.0.1:0", 0, 50*time.Millisecond
	if _, err := Run(t.Context(), s, nil); err != nil {
		t.Error(err)
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, change := range map[string]func(*Scenario){
		"connections": func(s *Scenario) { s.Connections = 0 },
		"size":        func(s *Scenario) { s.Size = Size{} },
		"large":       func(s *Scenario) { s.Size.Max = maxSize + 1 },
		"direction":   func(s *Scenario) { s.ToServer, s.ToClient = false, false },
		"both roles":  func(s *Scenario) { s.Listen, s.Connect = "a", "b" },
		"op":          func(s *Scenario) { s.Op = "write" },
		"fault":       func(s *Scenario) { s.Fault = "fire" },
		"alerts":      func(s *Scenario) { s.AlertEvery = -1 },
		"rekey 1.2":   func(s *Scenario) { s.RekeyEvery, s.Version = 1, tls.VersionTLS12 },
		"rekey tx":    func(s *Scenario) { s.RekeyEvery, s.ToClient = 1, false },
	} {
		s := scenario()
		change(&s)
		if s.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseSize(t *testing.T) {
	for _, text := range []string{"1", "1400", "100..16384", "exp:1400", "1073741824"} {
		if z, err := ParseSize(text); err != nil || z.String() != text {
			t.Errorf("%s became %v, %v", text, z, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "x", "1..", "..2", "5..4", "exp:", "exp:0", "exp:x", "1073741825", "1k"} {
		if z, err := ParseSize(text); err == nil {
			t.Errorf("%q became %v", text, z)
		}
	}
}

// TestDistributions draws many sizes: within bounds, and of about the mean.
func TestDistributions(t *testing.T) {
	for text, mean := range map[string]float64{"7": 7, "100..300": 200, "exp:1400": 1400} {
		z, err := ParseSize(text)
		if err != nil {
			t.Fatal(err)
		}
		s := Scenario{Size: z, Seed: 5}
		st, sum, draws := s.stream(0, towardsServer), 0, 20000
		for range draws {
			n := st.next()
			if n < z.Min || n > z.Max {
				t.Fatalf("%s drew %d", text, n)
			}
			sum += n
		}
		if got := float64(sum) / float64(draws); got < 0.95*mean || got > 1.05*mean {
			t.Errorf("%s: mean %.0f", text, got)
		}
	}
}

func FuzzParseHello(f *testing.F) {
	s := scenario()
	f.Add(s.hello(3))
	f.Add([]byte("ktls\x00\x02{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, connection, n, err := readHello(bytes.NewReader(b))
		if err == nil && (s.checkTraffic() != nil || connection < 0 || n > len(b)) {
			t.Errorf("accepted %q", b)
		}
	})
}
