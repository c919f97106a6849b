package gen

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// end is one end of a running connection.
type end struct {
	conn     link
	tls      *ktls.Conn // conn, where it is TLS
	s        *Scenario
	report   *ConnReport
	src      source
	in, out  *stream
	isClient bool
	dtls     bool
	most     int // the most bytes that one call sends
	buf      []byte
	writes   int // of application data that the scenario asks for
}

// newEnd prepares to play s. close must be called in the end.
func newEnd(c link, s *Scenario, r *ConnReport, isClient bool) (*end, error) {
	e := &end{conn: c, s: s, report: r, isClient: isClient, buf: make([]byte, min(s.Size.Max, bufSize)),
		in: s.stream(r.Connection, towardsServer), out: s.stream(r.Connection, towardsClient)}
	sends := s.ToClient
	if isClient {
		e.in, e.out, sends = e.out, e.in, s.ToServer
	}
	r.Op, r.Fault = OpSend, s.Fault
	if sends {
		r.Op = s.Op
	}
	var err error
	if e.src, err = newSource(r.Op); err != nil {
		return nil, err
	}
	e.most = e.src.most()
	switch c := c.(type) {
	case *ktls.Conn:
		e.tls = c
	case *ktls.DTLSConn:
		err = e.useDTLS(c)
	}
	if err != nil {
		e.close()
	}
	return e, err
}

func (e *end) close() { e.src.close() }

// send is one write of the scenario and the control records before it.
func (e *end) send() error {
	e.writes++
	if every(e.s.AlertEvery, e.writes) {
		if err := e.alert(); err != nil {
			return err
		}
	}
	if every(e.s.RekeyEvery, e.writes) {
		if err := e.rekey(); err != nil {
			return err
		}
	}
	return e.data(e.out.next())
}

func every(n, i int) bool { return n > 0 && i%n == 0 }

// data sends n bytes of application data by the scenario's call.
func (e *end) data(n int) error {
	for ; n > 0; n -= min(n, e.most) {
		part := min(n, e.most)
		if err := e.src.send(e.conn, part); err != nil {
			return err
		}
		e.sent(part, e.report.Op)
	}
	return nil
}

// sent records one call that sent n bytes.
func (e *end) sent(n int, op Op) {
	e.report.Writes++
	e.report.SentBytes += uint64(n)
	e.report.Sent.add(raw.TypeApplicationData, n, op)
}

// write sends bytes of the scenario's own, always by write(2).
func (e *end) write(b []byte) error {
	if _, err := e.conn.Write(b); err != nil {
		return err
	}
	e.sent(len(b), OpSend)
	return nil
}

// userCanceled is a warning that every receiver must ignore (RFC 8446, section 6.1).
var userCanceled = []byte{1, 90}

func (e *end) alert() error {
	if e.report.TX == ktls.ModeNone.String() {
		return fmt.Errorf("send an alert: needs kernel TLS (%s)", e.report.Reason)
	}
	if _, err := raw.SendRecord(e.conn, raw.TypeAlert, userCanceled, 0); err != nil {
		return fmt.Errorf("send an alert: %w", err)
	}
	e.report.Sent.control(raw.TypeAlert, len(userCanceled))
	return nil
}

// keyUpdateLen is a KeyUpdate's length in bytes (RFC 8446, section 4.6.3).
const keyUpdateLen = 5

func (e *end) rekey() error {
	if err := e.tls.KeyUpdate(context.Background()); err != nil {
		return fmt.Errorf("change keys: %w", err)
	}
	e.report.Rekeys++
	e.report.Sent.control(raw.TypeHandshake, keyUpdateLen)
	return nil
}

// receive reads one write of the peer. The library has answered the peer's KeyUpdate
// before it, since this end was not writing.
func (e *end) receive(ctx context.Context, n int) error {
	sleep(ctx, e.s.ReadDelay)
	if e.dtls {
		return e.receiveRecords(n)
	}
	for n > 0 {
		got, err := io.ReadFull(e.conn, e.buf[:min(n, len(e.buf))])
		e.report.Received += uint64(got)
		if err != nil {
			return err
		}
		n -= got
	}
	return nil
}

// receiveWrite is receive with the scenario's size.
func (e *end) receiveWrite(ctx context.Context, i int) error {
	err := e.receive(ctx, e.in.next())
	if err == nil && every(e.s.RekeyEvery, i) {
		e.report.Sent.control(raw.TypeHandshake, keyUpdateLen)
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// goodbye sends close_notify.
func (e *end) goodbye() error {
	if e.dtls {
		return e.leave()
	}
	if err := e.tls.CloseWrite(); err != nil {
		return err
	}
	e.report.Sent.control(raw.TypeAlert, 2)
	return nil
}
