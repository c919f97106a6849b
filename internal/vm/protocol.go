package vm

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Host and guest exchange frames over one virtio-serial port: a kind, a length of four bytes, and
// as many bytes. Since everything goes through one port in order, all output of a command arrives
// before its status.
type kind byte

const (
	// Host to guest.
	kindSetup  kind = 's' // JSON setup; the first frame
	kindExec   kind = 'x' // JSON Command; answered by kindDone
	kindStdin  kind = 'i' // bytes; none means the end. Sent only after a kindWant
	kindResize kind = 'w' // JSON winsize
	kindSignal kind = 'k' // JSON number
	kindDump   kind = 'D' // time is up: make the command and the kernel report what they are doing

	// Guest to host.
	kindReady  kind = 'r' // the setup is done
	kindFailed kind = 'f' // text: the setup failed
	kindStdout kind = 'o' // bytes
	kindStderr kind = 'e' // bytes
	kindWant   kind = 'c' // the command has read the last kindStdin; one more may come
	kindDone   kind = 'd' // JSON Status
)

// maxFrame limits the memory that a broken peer can make us allocate. Streams are sent in pieces of
// at most chunk bytes.
const (
	maxFrame = 1 << 20
	chunk    = 32 << 10
)

// setup describes the guest's file system.
type setup struct {
	Modules string   // the host's directory with the kernel's modules
	Release string   // its path in the guest: /lib/modules/Release
	Layers  []layer  // the guest's files; the first one is its root
	Shares  []string // host directories to mount writable; the 9p tag is share0, share1 …
	Late    bool     // load lateModules
}

// A Command is a program to run in the guest.
type Command struct {
	Args []string
	Env  []string
	Dir  string
	TTY  bool // give it a terminal for stdin, stdout and stderr
	Size winsize
}

type winsize struct{ Rows, Cols uint16 }

// A Status is how a command in the guest ended.
type Status struct {
	Code   int    // exit status; 127 and 126 like a shell's "not found" and "cannot be run"
	Signal int    `json:",omitempty"` // the signal that killed it, or 0
	Err    string `json:",omitempty"` // why it could not be started
}

// ExitCode is the status as a shell reports it.
func (s Status) ExitCode() int {
	if s.Signal != 0 {
		return 128 + s.Signal
	}
	return s.Code
}

// A link sends and receives frames. Sending is safe from several goroutines, receiving is not.
type link struct {
	rw io.ReadWriter
	mu sync.Mutex
}

func (l *link) send(k kind, payload []byte) error {
	frame := make([]byte, 5, 5+len(payload))
	frame[0] = byte(k)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.rw.Write(append(frame, payload...))
	return err
}

func (l *link) sendJSON(k kind, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.send(k, payload)
}

func (l *link) receive() (kind, []byte, error) {
	var header [5]byte
	if _, err := io.ReadFull(l.rw, header[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(header[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame %q of %d bytes is too long", header[0], n)
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(l.rw, payload)
	return kind(header[0]), payload, err
}

// A frameWriter sends everything written to it as frames of one kind.
type frameWriter struct {
	l *link
	k kind
}

func (w frameWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); done += chunk {
		if err := w.l.send(w.k, p[done:min(done+chunk, len(p))]); err != nil {
			return done, err
		}
	}
	return len(p), nil
}
