package gen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// DTLS repeats no record and has no flow control. So each round waits for the peer: if only
// the client sends, the server answers each write with one byte. A record that is lost all
// the same ends its connection.
const (
	// maxDTLSSize limits a write in bytes: every receiver has room for it.
	maxDTLSSize = 65536
	// lossTime is how long a record may take to arrive: longer than a loaded machine stalls.
	lossTime = 30 * time.Second
	// idleTime is how long a server waits for a round: the client's close_notify may be lost.
	idleTime = 10 * time.Minute
	// dialTime is how long a handshake may take.
	dialTime = 30 * time.Second
)

// checkDTLS reports the options of a scenario that DTLS lacks.
func (s *Scenario) checkDTLS() error {
	switch {
	case !s.DTLS:
		return nil
	case s.Size.Max > maxDTLSSize:
		return fmt.Errorf("size %v is outside 1 to %d: more than that may be lost", s.Size, maxDTLSSize)
	case s.Fault != FaultNone:
		return fmt.Errorf("fault %s: DTLS has none, it drops a damaged record and UDP has no reset", s.Fault)
	case s.RekeyEvery > 0:
		return fmt.Errorf("changing keys needs TLS 1.3")
	}
	return nil
}

func (s *Scenario) dtlsConfig() (*ktls.DTLSConfig, error) {
	cert, err := selfSigned()
	if err != nil {
		return nil, err
	}
	config := &ktls.DTLSConfig{InsecureSkipVerify: true, CipherSuites: s.suites(), Policy: s.policy()}
	config.Certificates = append(config.Certificates, cert)
	return config, nil
}

// listenDTLS listens on the server's port. If the kernel must take connections over, it fails
// at once: a listener drops those whose handshake fails, without an error.
func (s *Scenario) listenDTLS(addr string) (net.Listener, error) {
	if s.Require {
		if err := ktls.DTLSAvailable(); err != nil {
			return nil, err
		}
	}
	config, err := s.dtlsConfig()
	if err != nil {
		return nil, err
	}
	return ktls.ListenDTLS("udp", addr, config)
}

func dialDTLS(ctx context.Context, s *Scenario, addr string, r *ConnReport) (*ktls.DTLSConn, error) {
	config, err := s.dtlsConfig()
	if err != nil {
		return nil, err
	}
	config.Certificates = nil // no server asks a client for one
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c, err := ktls.DialDTLS(ctx, "udp", addr, config)
	if err == nil {
		r.describeDTLS(c)
	}
	return c, err
}

// describeDTLS sets the values negotiated in the handshake.
func (r *ConnReport) describeDTLS(c *ktls.DTLSConn) {
	r.Version, r.Cipher = dtlsVersion, suiteName(c.ConnectionState().CipherSuite)
	r.describeLink(c)
}

// dtlsVersion is the spelling in events too.
const dtlsVersion = "DTLS1.2"

// protocol is the version in words.
func (r *ConnReport) protocol() string {
	if r.Version == dtlsVersion {
		return "DTLS 1.2"
	}
	return "TLS " + r.Version
}

// useDTLS prepares an end for records of the given number of bytes.
func (e *end) useDTLS(c *ktls.DTLSConn) error {
	most, err := c.MaxPayload()
	if err != nil {
		return err
	}
	if most < 1 {
		return errors.New("no byte fits a datagram of this path")
	}
	e.dtls, e.report.Sent.most = true, most
	e.most = min(most, e.src.most())
	if e.report.Op != OpSend { // one call makes full records
		e.most = max(e.src.most()/most*most, e.most)
	}
	return nil
}

// readDTLSHello reads the client's first record.
func readDTLSHello(c *ktls.DTLSConn) (s *Scenario, connection, n int, err error) {
	_ = c.SetReadDeadline(time.Now().Add(lossTime))
	record := make([]byte, maxRecord)
	if n, err = c.Read(record); err != nil {
		return nil, 0, 0, lost(err)
	}
	s, connection, n, err = readHello(bytes.NewReader(record[:n]))
	if err != nil {
		return nil, 0, 0, err
	}
	s.DTLS = true
	return s, connection, n, s.checkDTLS()
}

// awaitUntil is how long an end waits for the next record.
func (e *end) awaitUntil(inWrite bool) time.Time {
	if !inWrite && !e.isClient {
		return time.Now().Add(idleTime)
	}
	return time.Now().Add(lossTime + e.s.ReadDelay)
}

// receiveRecords reads records until they have n bytes.
func (e *end) receiveRecords(n int) error {
	for inWrite := false; n > 0; inWrite = true {
		_ = e.conn.SetReadDeadline(e.awaitUntil(inWrite))
		got, err := e.conn.Read(e.buf)
		if err != nil {
			return lost(err)
		}
		if e.report.Received += uint64(got); got > n {
			return errors.New("a record too many came: one before it was lost, or late")
		}
		n -= got
	}
	return nil
}

// lost says what a deadline means here.
func lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("a record was lost, or the peer is gone: DTLS repeats none (make smaller writes, or fewer connections): %w", err)
	}
	return err
}

// acknowledge is the server's answer to a write where it sends nothing else.
func (e *end) acknowledge() error {
	if !e.dtls || e.s.ToClient {
		return nil
	}
	return e.write([]byte{'!'})
}

// awaitAcknowledgement is the client's half of it.
func (e *end) awaitAcknowledgement() error {
	if !e.dtls || e.s.ToClient {
		return nil
	}
	return e.receiveRecords(1)
}

// leave ends a DTLS connection: there is nothing to wait for behind a close_notify, which may
// be lost.
func (e *end) leave() error {
	if err := e.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) && err != io.EOF {
		return err
	}
	e.report.Sent.control(raw.TypeAlert, 2)
	return nil
}
