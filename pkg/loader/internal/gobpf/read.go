//go:build gobpf

package gobpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/iovisor/gobpf/elf"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

func (b *Backend) listen() (err error) {
	b.samples = make(chan []byte, 4096)
	if b.perf, err = elf.InitPerfMap(b.m.Module, "events", b.samples, nil); err != nil {
		return fmt.Errorf("open the perf buffer: %w", err)
	}
	// Each processor has a buffer; the time of sending defines the order.
	b.perf.SetTimestampFunc(func(s *[]byte) uint64 { return binary.NativeEndian.Uint64(*s) })
	b.perf.PollStart()
	return nil
}

// SetDeadline sets until when Read waits.
func (b *Backend) SetDeadline(t time.Time) { b.deadline = t }

const (
	sampleHead    = 16
	sampleEvent   = 1
	samplePayload = 2
	sampleMark    = 3
)

// Read returns the next event, valid until the next call, or
// os.ErrDeadlineExceeded.
func (b *Backend) Read() ([]byte, error) {
	for {
		if len(b.queue) > 0 {
			e := b.queue[0]
			b.queue = b.queue[1:]
			return e, nil
		}
		if err := b.next(); err != nil {
			return nil, err
		}
	}
}

// next reads one sample, into the queue or among the payloads.
func (b *Backend) next() error {
	var s []byte
	select {
	case s = <-b.samples:
	default:
		timer := time.NewTimer(time.Until(b.deadline))
		defer timer.Stop()
		select {
		case s = <-b.samples:
		case <-timer.C:
			// Samples that gobpf has read and holds back continue with the next sample.
			b.marker.Poke()
			return os.ErrDeadlineExceeded
		}
	}
	_, err := b.sort(s)
	return err
}

func (b *Backend) sort(s []byte) (mark bool, err error) {
	if len(s) < sampleHead {
		return false, errors.New("a sample is shorter than its head: the BPF object and this program do not match")
	}
	body := s[sampleHead:]
	switch binary.NativeEndian.Uint64(s[8:]) {
	case samplePayload:
		var p wire.Payload
		if err := p.Decode(body); err != nil {
			return false, err
		}
		b.payloads = append(b.payloads, p)
	case sampleEvent:
		if err := b.flushPending(body); err != nil {
			return false, err
		}
		b.queue = append(b.queue, body)
	case sampleMark:
		return true, nil
	}
	return false, nil
}

// flushPending reports, before a connection's close, records that were sealed and never
// passed to TCP. It adds those that the filters hide to the counts of the close.
func (b *Backend) flushPending(e []byte) error {
	var w wire.Event
	if err := w.Decode(e); err != nil {
		return err
	}
	if w.Kind != wire.KindSocket || event.SocketState(w.AboutSocket().State) != event.SocketClose {
		return nil
	}
	hidden := &w.AboutSocket().Hidden[event.TX]
	err := b.m.Each("pending", func(key, value []byte) error {
		if binary.NativeEndian.Uint64(key) != w.Conn {
			return nil
		}
		var set wire.Event
		if err := set.Decode(value); err != nil {
			return err
		}
		if set.Flags&wire.FlagHidden != 0 {
			*hidden++
		} else {
			b.queue = append(b.queue, slices.Clone(value))
		}
		return b.m.Delete("pending", key)
	})
	copy(e, w.Bytes())
	return err
}

// Fetch passes payloads to keep until keep returns true, or all present ones have been
// passed.
func (b *Backend) Fetch(keep func(wire.Payload) (enough bool)) error {
	for len(b.payloads) > 0 {
		p := b.payloads[0]
		b.payloads = b.payloads[1:]
		if keep(p) {
			return nil
		}
	}
	return nil
}

// Detach is called after the programs are switched off: it waits for running ones and
// reads everything that they have sent. The probes are removed by close, because the
// mark needs one.
func (b *Backend) Detach() {
	if b.perf == nil || b.marker == nil {
		return
	}
	waitForPrograms()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); { // it comes, except from a reader that has failed
		b.marker.Poke()
		select {
		case s := <-b.samples:
			if mark, err := b.sort(s); mark || err != nil {
				return
			}
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// waitForPrograms waits until every program that began while live was set is done.
func waitForPrograms() {
	const membarrierGlobal = 1 // a grace period; kernels without it have nohz_full
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		time.Sleep(50 * time.Millisecond)
	}
}
