package gen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// end is one end of a connection at work.
type end struct {
	conn   *ktls.Conn
	s      *Scenario
	report *ConnReport
	buf    []byte
	file   *os.File
}

// client plays the rounds, then says goodbye.
func (e *end) client(ctx context.Context) error {
	if _, err := e.conn.Write(e.s.hello()); err != nil {
		return err
	}
	e.report.Writes++
	e.report.Sent += helloSize
	if err := e.prepare(e.s.ToServer); err != nil {
		return err
	}
	defer e.cleanup()
	next := pace(ctx, e.s.Rate)
	for i := 0; (e.s.Rounds == 0 || i < e.s.Rounds) && next(); i++ {
		if err := e.clientRound(); err != nil {
			return err
		}
	}
	return nil
}

// server mirrors the client until that closes.
func (e *end) server() error {
	if err := e.prepare(e.s.ToClient); err != nil {
		return err
	}
	defer e.cleanup()
	for {
		err := e.serverRound()
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (e *end) serverRound() error {
	turn := e.receive
	if !e.s.ToServer {
		turn = e.readAsk
	}
	if err := turn(); err != nil || !e.s.ToClient {
		return err
	}
	return e.send()
}

// clientRound: where only the server sends, the client asks for each write
// with one byte, so that both play the same number of rounds.
func (e *end) clientRound() error {
	turn := e.send
	if !e.s.ToServer {
		turn = e.ask
	}
	if err := turn(); err != nil || !e.s.ToClient {
		return err
	}
	return e.receive()
}

func (e *end) ask() error {
	_, err := e.conn.Write([]byte{'?'})
	e.report.Writes++
	e.report.Sent++
	return err
}

func (e *end) readAsk() error {
	var b [1]byte
	_, err := io.ReadFull(e.conn, b[:])
	if err == nil {
		e.report.Received++
	}
	return err
}

// prepare makes the bytes to send: a pattern in which an offset can be told.
func (e *end) prepare(sends bool) error {
	e.buf = make([]byte, e.s.Size)
	for i := range e.buf {
		e.buf[i] = byte(i ^ i>>8)
	}
	if !sends || !e.s.Sendfile {
		return nil
	}
	f, err := os.CreateTemp("", "ktlstop-gen-")
	if err != nil {
		return fmt.Errorf("make a file to send: %w", err)
	}
	e.file = f
	// Nobody else needs the name.
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	_, err = f.Write(e.buf)
	return err
}

func (e *end) cleanup() {
	if e.file != nil {
		e.file.Close()
	}
}

func (e *end) send() error {
	e.report.Writes++
	n, err := e.write()
	e.report.Sent += uint64(n)
	return err
}

func (e *end) write() (int64, error) {
	if e.file == nil {
		n, err := e.conn.Write(e.buf)
		return int64(n), err
	}
	if _, err := e.file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return e.conn.ReadFrom(e.file)
}

func (e *end) receive() error {
	n, err := io.ReadFull(e.conn, e.buf)
	e.report.Received += uint64(n)
	return err
}

// pace returns a function that waits for the next round and says whether there
// is one.
func pace(ctx context.Context, rate float64) func() bool {
	if rate == 0 {
		return func() bool { return ctx.Err() == nil }
	}
	due := time.Now()
	step := time.Duration(float64(time.Second) / rate)
	return func() bool {
		wait := time.NewTimer(time.Until(due))
		defer wait.Stop()
		due = due.Add(step)
		select {
		case <-ctx.Done():
			return false
		case <-wait.C:
			return ctx.Err() == nil
		}
	}
}
