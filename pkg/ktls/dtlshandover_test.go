package ktls

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// numbers collects the numbers of records sealed by each end.
type numbers struct {
	mu  sync.Mutex
	all [2][]uint64 // to the client, to the server
}

func (n *numbers) note(toServer bool, datagram []byte) [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, rec := range records(datagram) {
		if rec.epoch() > 0 {
			n.all[index(toServer)] = append(n.all[index(toServer)], rec.number())
		}
	}
	return [][]byte{datagram}
}

func index(toServer bool) int {
	if toServer {
		return 1
	}
	return 0
}

// TestDTLSNumbers: no number is used twice and none is left out, from Finished to
// close_notify, whoever seals.
func TestDTLSNumbers(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		var seen numbers
		client, server := dtlsPair(t, m, m, dtlsClientConfig(), dtlsServerConfig(), &relay{filter: seen.note})
		for range 20 {
			pingPong(t, client, server)
		}
		server.Close()
		mustEnd(t, client)
		client.Close()
		seen.mu.Lock()
		defer seen.mu.Unlock()
		for to, got := range seen.all {
			for i, number := range got {
				if number != numberOf(1, uint64(i)) {
					t.Fatalf("direction %d: record %d has number %#x; all: %#x", to, i, number, got)
				}
			}
			if len(got) < 21 {
				t.Errorf("direction %d: %d records only", to, len(got))
			}
		}
	})
}

// TestDTLSLostFinished: the server's last flight is lost, after it has gone into the kernel.
// The client asks again and is answered, with numbers that were not used.
func TestDTLSLostFinished(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		var seen numbers
		lost := 0
		via := &relay{filter: func(toServer bool, d []byte) [][]byte {
			seen.note(toServer, d)
			last := slices.ContainsFunc(records(d), func(r dtlsRecord) bool { return r.epoch() == 1 && r.typ() == raw.TypeHandshake })
			if !toServer && last && lost < 2 {
				lost++
				return nil
			}
			return [][]byte{d}
		}}
		ln := dtlsListen(t, m, "127.0.0.1:0", dtlsServerConfig())
		ended := serveOne(ln, echo)
		client, err := DialDTLS(t.Context(), "udp", via.start(t, ln.Addr().String()), m.with(dtlsClientConfig()))
		if err != nil {
			t.Fatal(err)
		}
		_ = client.SetDeadline(time.Now().Add(ktlstest.Patience))
		mustWrite(t, client, "there")
		mustReadRecord(t, client, "there")
		client.Close()
		<-ended
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if lost != 2 {
			t.Errorf("%d flights were lost, want 2", lost)
		}
		for to, got := range seen.all {
			if sorted := slices.Compact(slices.Sorted(slices.Values(got))); len(sorted) != len(got) {
				t.Errorf("direction %d: a number twice: %#x", to, got)
			}
		}
	})
}

// TestDTLSEarly: data that comes with the server's Finished, in one datagram, is not lost and
// comes in order; neither is what comes next. The datagram is longer than pion's buffer.
func TestDTLSEarly(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		early := func(i int) string { return fmt.Sprintf("early %*d", maxPionDatagram/2, i) }
		var kept []byte
		joined := false
		via := &relay{filter: func(toServer bool, d []byte) [][]byte {
			switch recs := records(d); {
			case toServer || joined:
			case slices.ContainsFunc(recs, func(r dtlsRecord) bool { return r.epoch() == 1 && r.typ() == raw.TypeHandshake }):
				if kept == nil { // a client that waits long asks for another one
					kept = append(kept, d...)
				}
				return nil
			case kept != nil && len(recs) > 0 && recs[0].epoch() == 1:
				kept = append(kept, d...)
				if bytes.Count(kept, []byte{23, 0xfe, 0xfd, 0, 1}) < 3 {
					return nil
				}
				joined = true
				return [][]byte{kept}
			}
			return [][]byte{d}
		}}
		ln := dtlsListen(t, m, "127.0.0.1:0", dtlsServerConfig())
		ended := serveOne(ln, func(c net.Conn) {
			for i := range 3 {
				fmt.Fprint(c, early(i))
			}
			echo(c)
		})
		client, err := DialDTLS(t.Context(), "udp", via.start(t, ln.Addr().String()), m.with(dtlsClientConfig()))
		if err != nil {
			t.Fatal(err)
		}
		m.mustBe(t, client)
		_ = client.SetDeadline(time.Now().Add(ktlstest.Patience))
		for i := range 3 {
			mustReadRecord(t, client, early(i))
		}
		mustWrite(t, client, "late")
		mustReadRecord(t, client, "late")
		client.Close()
		<-ended
	})
}

// TestDTLSProof: keys or numbers that are not those of the wire never go to the kernel.
func TestDTLSProof(t *testing.T) {
	for name, spoil := range map[string]func(s *dtlsSession){
		"master": func(s *dtlsSession) { s.MasterSecret[0] ^= 1 },
		"random": func(s *dtlsSession) { s.RemoteRandom[0] ^= 1 },
		"suite":  func(s *dtlsSession) { s.CipherSuiteID = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 },
		"number": func(s *dtlsSession) { s.SequenceNumber = 0 },
		"peer's": func(s *dtlsSession) { s.RemoteSequenceNumber = 0 },
		"epoch":  func(s *dtlsSession) { s.LocalEpoch = 2 },
		"id":     func(s *dtlsSession) { s.RemoteConnectionID = []byte{1} },
		"none":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			s, w := finishedSession(t)
			if spoil != nil {
				spoil(s)
			}
			h, err := newDTLSHandover(s, w)
			if spoil == nil && (err != nil || h.txNumber != numberOf(1, 1) || h.rxNumber != numberOf(1, 1)) {
				t.Errorf("%+v, %v", h, err)
			}
			if spoil != nil && (err == nil || !errors.Is(err, ErrNoKeys) && !errors.Is(err, ErrRenegotiation)) {
				t.Errorf("taken: %v", err)
			}
		})
	}
}

// finishedSession is a client's session and wire, held.
func finishedSession(t *testing.T) (*dtlsSession, *dtlsWire) {
	t.Helper()
	cc, sc := dtlsClientConfig(), dtlsServerConfig()
	cc.Retransmit, sc.Retransmit = time.Minute, time.Minute // so that each Finished has number 0, however long it takes
	ln := dtlsListen(t, dtlsInUser, "127.0.0.1:0", sc)
	conn, err := net.Dial("udp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w := newDTLSWire(conn.(*net.UDPConn), conn.RemoteAddr())
	pion, err := newPion(w, cc, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := pion.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.hold(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.release(wireUser); pion.Close() })
	s, err := exportSession(pion)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

// TestDTLSEarlyLimits: a peer that sends without end before the handover fills limited memory, which
// does not outlive the handover.
func TestDTLSEarlyLimits(t *testing.T) {
	_, w := finishedSession(t)
	record := func(typ raw.ContentType, number uint64, n int) dtlsRecord {
		rec := append([]byte{byte(typ)}, binary.BigEndian.AppendUint16(nil, versionDTLS12)...)
		rec = binary.BigEndian.AppendUint64(rec, numberOf(1, number))
		return append(binary.BigEndian.AppendUint16(rec, uint16(n)), make([]byte, n)...)
	}
	w.mu.Lock()
	for i := range uint64(100) {
		w.sift(record(raw.TypeApplicationData, i, 16384))
		w.sift(record(raw.TypeApplicationData, i, 100))
		w.sift(record(raw.TypeHandshake, i, 16384))
		w.sift(record(raw.TypeHandshake, i, 100))
	}
	size := func(all []dtlsRecord) (n int) {
		for _, rec := range all {
			n += len(rec)
		}
		return n
	}
	if n := size(w.early); len(w.early) > maxEarly || n > maxEarlyLen || n < maxEarlyLen-16384 {
		t.Errorf("%d records of %d bytes are held back", len(w.early), n)
	}
	if n := size(w.flight.peer); len(w.flight.peer) != maxFinished || n > maxFinished*maxFinishedLen {
		t.Errorf("%d records of %d bytes may be the peer's Finished", len(w.flight.peer), n)
	}
	w.mu.Unlock()
	if err := w.release(wireKernel); err != nil {
		t.Fatal(err)
	}
	if w.early != nil || w.flight.peer != nil || w.flight.sealed != nil || w.whole != nil {
		t.Error("the records are kept when the kernel has the connection")
	}
}
