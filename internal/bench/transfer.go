package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// Buffers as programs commonly have them: io.Copy's for sending, four full
// records for receiving.
const (
	sendBuffer    = 32 << 10
	receiveBuffer = 64 << 10
)

// transfer sends streams from one end of a connection to the other.
type transfer struct {
	conn *connection
	file *os.File
	buf  []byte
	want chan int64 // bytes that the receiver is to take
	got  chan error // its answers
}

// newTransfer starts the receiver. end must be called.
func newTransfer(c *connection, file *os.File) *transfer {
	t := &transfer{conn: c, file: file, buf: make([]byte, sendBuffer), want: make(chan int64, 1), got: make(chan error)}
	go t.receive()
	return t
}

// end ends the receiver, and waits for it.
func (t *transfer) end() {
	close(t.want)
	t.conn.receiver.Close()
	<-t.got // the receiver closes it
}

func (t *transfer) receive() {
	defer close(t.got)
	buf := make([]byte, receiveBuffer)
	for n := range t.want {
		var err error
		for n > 0 && err == nil {
			var got int
			got, err = t.conn.receiver.Read(buf[:min(n, receiveBuffer)])
			n -= int64(got)
		}
		t.got <- err
	}
}

// stream sends size bytes, or what goes until the deadline, and waits until
// they have been read. It returns how many they were.
func (t *transfer) stream(ctx context.Context, size int64, deadline time.Time) (sent int64, err error) {
	for sent < size {
		n := min(size-sent, fileSize)
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

// part sends n bytes of the file.
func (t *transfer) part(n int64) error {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t.want <- n
	sendErr := t.send(&io.LimitedReader{R: t.file, N: n})
	if sendErr != nil {
		t.conn.receiver.Close() // it waits for bytes that do not come
	}
	return errors.Join(sendErr, <-t.got)
}

func (t *transfer) send(src *io.LimitedReader) error {
	var err error
	if t.conn.sendfile {
		_, err = t.conn.sender.(io.ReaderFrom).ReadFrom(src)
	} else {
		_, err = io.CopyBuffer(onlyWriter{t.conn.sender}, onlyReader{src}, t.buf)
	}
	return err
}

// onlyWriter hides ReadFrom, and onlyReader WriteTo: what is left are read and
// write.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
