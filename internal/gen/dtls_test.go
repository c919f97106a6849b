package gen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func dtlsScenario() Scenario {
	s := scenario()
	s.DTLS, s.Version = true, tls.VersionTLS12
	return s
}

// TestDTLSCountsBothEnds: without the module the same records are sent by pion/dtls.
func TestDTLSCountsBothEnds(t *testing.T) {
	for name, change := range map[string]func(*Scenario){
		"send":      func(*Scenario) {},
		"sendfile":  func(s *Scenario) { s.Op = OpSendfile },
		"splice":    func(s *Scenario) { s.Op = OpSplice; s.Size = Size{Min: 40000, Max: 40000} },
		"to server": func(s *Scenario) { s.ToClient = false },
		"to client": func(s *Scenario) { s.ToServer = false },
		"one byte":  func(s *Scenario) { s.Size = Size{Min: 1, Max: 1} },
		"range":     func(s *Scenario) { s.Size = Size{Min: 1, Max: 40000} },
		"cipher":    func(s *Scenario) { s.Suite = tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 },
		"slow":      func(s *Scenario) { s.ReadDelay = 5 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			s := dtlsScenario()
			change(&s)
			r := run1(t, s)
			checkReport(t, &s, r)
			for _, c := range r.Connections {
				if c.Version != "DTLS1.2" || c.Sent.Types["alert"] != 1 || c.TX == "none" && !strings.Contains(c.Reason, "af_ktls") {
					t.Errorf("%+v", c)
				}
				if s.Suite != 0 && c.Cipher != tls.CipherSuiteName(s.Suite) {
					t.Errorf("cipher %s", c.Cipher)
				}
			}
		})
	}
}

// TestDTLSCutsWrites: a write that does not fit one datagram becomes several full records and a
// rest.
func TestDTLSCutsWrites(t *testing.T) {
	s := dtlsScenario()
	s.Connections, s.Rounds, s.ToClient = 1, 1, false
	s.Size = Size{Min: 40000, Max: 40000}
	for _, op := range []Op{OpSend, OpSendfile, OpSplice} {
		s.Op = op
		sent := run1(t, s).Connections[0].Sent.List[1:] // behind the hello
		rest := 40000
		for i, r := range sent[:len(sent)-1] {
			if rest -= r.Len; r.Len != sent[0].Len && rest > 0 || r.Op != op {
				t.Errorf("%s: record %d is %+v", op, i, r)
			}
		}
		if rest != 0 || len(sent) < 4 || sent[len(sent)-1].Type != "alert" {
			t.Errorf("%s: %+v, %d bytes left", op, sent, rest)
		}
	}
}

// TestDTLSTwoProcesses: a server for a given number of connections, and its clients.
func TestDTLSTwoProcesses(t *testing.T) {
	server := Scenario{DTLS: true, Connections: 3, List: true, Listen: "127.0.0.1:0", Size: Size{Min: 1, Max: 1}, Op: OpSend, ToServer: true, Version: tls.VersionTLS12}
	addr := make(chan net.Addr, 1)
	done := make(chan *Report, 1)
	go func() {
		r, err := Run(t.Context(), server, func(a net.Addr) { addr <- a })
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	s := dtlsScenario()
	s.Connect = (<-addr).String()
	clients := run1(t, s)
	all := &Report{Connections: append(clients.Connections, (<-done).Connections...)}
	var c collector
	for _, r := range all.Connections {
		c.add(r)
	}
	all.Connections = c.sorted()
	checkReport(t, &s, all)
}

// TestDTLSRefuses options that DTLS lacks.
func TestDTLSRefuses(t *testing.T) {
	for want, change := range map[string]func(*Scenario){
		"fault corrupt":   func(s *Scenario) { s.Fault = FaultCorrupt },
		"fault reset":     func(s *Scenario) { s.Fault = FaultReset },
		"1 to 65536":      func(s *Scenario) { s.Size.Max = 70000 },
		"changing keys":   func(s *Scenario) { s.RekeyEvery = 1 },
		"send an alert: ": func(s *Scenario) { s.AlertEvery = 1 },
	} {
		s := dtlsScenario()
		change(&s)
		r, err := Run(t.Context(), s, nil)
		kernel := r != nil && r.Connections[0].TX != "none"
		if (err == nil || !strings.Contains(err.Error(), want)) && !kernel {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestDTLSText names the protocol.
func TestDTLSText(t *testing.T) {
	s := dtlsScenario()
	s.Connections = 1
	var text strings.Builder
	if err := run1(t, s).WriteText(&text); err != nil || !strings.Contains(text.String(), " DTLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 tx ") {
		t.Errorf("%q, %v", text.String(), err)
	}
}

func TestLost(t *testing.T) {
	if err := lost(fmt.Errorf("read: %w", os.ErrDeadlineExceeded)); !strings.Contains(err.Error(), "DTLS repeats none") {
		t.Error(err)
	}
	if err := lost(net.ErrClosed); !errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "lost") {
		t.Error(err)
	}
}
