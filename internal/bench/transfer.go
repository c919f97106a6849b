package bench

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// Buffers of the usual sizes: io.Copy's for sending, four full records for receiving.
const (
	sendBuffer    = 32 << 10
	receiveBuffer = 64 << 10
)

// transfer sends streams from one end of a connection to the other.
type transfer struct {
	conn *connection
	file *os.File
	pipe *pipe // for splice(2)
	buf  []byte
	want chan int64 // bytes that the receiver must read
	got  chan error // its answers
}

// newTransfer starts the receiver. end must be called.
func newTransfer(c *connection, file *os.File) (*transfer, error) {
	t := &transfer{conn: c, file: file, want: make(chan int64, 1), got: make(chan error)}
	t.buf = make([]byte, cmp.Or(c.most, sendBuffer)) // a write is a datagram
	if c.call == bySplice {
		var err error
		if t.pipe, err = newPipe(); err != nil {
			return nil, err
		}
	}
	go t.receive()
	return t, nil
}

// end ends the receiver, and waits for it.
func (t *transfer) end() {
	if t.pipe != nil {
		t.pipe.close()
	}
	close(t.want)
	t.conn.receiver.Close()
	<-t.got // the receiver closes it
}

func (t *transfer) receive() {
	defer close(t.got)
	buf := make([]byte, receiveBuffer)
	for n := range t.want {
		var err error
		if t.conn.most > 0 { // a datagram may be lost
			err = t.conn.receiver.SetReadDeadline(time.Now().Add(lossTime))
		}
		for n > 0 && err == nil {
			var got int
			got, err = t.conn.receiver.Read(buf[:min(n, receiveBuffer)])
			n -= int64(got)
		}
		t.got <- err
	}
}

// stream sends size bytes, or as many as possible until the deadline, and waits until
// they have been read. It returns their number.
func (t *transfer) stream(ctx context.Context, size int64, deadline time.Time) (sent int64, err error) {
	for sent < size {
		n := min(size-sent, t.most())
		if err := t.part(n); err != nil {
			return sent, err
		}
		sent += n
		if ctx.Err() != nil {
			return sent, ctx.Err()
		}
		if time.Now().After(deadline) {
			break
		}
	}
	return sent, nil
}

// most is how much of a stream is sent before the receiver must have it.
func (t *transfer) most() int64 {
	if t.conn.most > 0 {
		return window
	}
	return fileSize
}

// part sends n bytes of the file.
func (t *transfer) part(n int64) error {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t.want <- n
	sendErr := t.send(&io.LimitedReader{R: t.file, N: n})
	if sendErr != nil {
		t.conn.receiver.Close() // it waits for bytes that do not arrive
	}
	return errors.Join(sendErr, <-t.got)
}

func (t *transfer) send(src *io.LimitedReader) error {
	var err error
	switch t.conn.call {
	case bySendfile:
		_, err = t.conn.sender.(io.ReaderFrom).ReadFrom(src)
	case bySplice:
		err = t.pipe.splice(t.conn.sender.(syscall.Conn), t.file, src.N)
	default:
		_, err = io.CopyBuffer(onlyWriter{t.conn.sender}, onlyReader{src}, t.buf)
	}
	return err
}

// onlyWriter hides ReadFrom, and onlyReader WriteTo: only Read and Write are left.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
