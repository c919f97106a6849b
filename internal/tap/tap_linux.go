package tap

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/packet"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Config says where a Tap is and what it sends.
type Config struct {
	// Name is the interface's.
	Name string
	// MTU is packet.Config.MTU, and the interface's.
	MTU int
	// Namespace is where the interface is made. It is the tap's to close.
	Namespace *Namespace
	// Stale is told of each interface that a ktlstop left behind and that is
	// removed.
	Stale func(name string)
}

// Tap is a sink.Sink that sends packets on an interface of its own. It is not
// safe for concurrent use.
type Tap struct {
	name  string
	ns    *Namespace // open, so that others can enter it
	dev   *Device
	sock  *socket
	build *packet.Builder
	frame *packet.Framer
}

// Open makes the interface. Close removes it.
func Open(cfg Config) (*Tap, error) {
	if cfg.MTU == 0 {
		cfg.MTU = packet.MaxMTU
	}
	t := &Tap{name: cfg.Name, ns: cfg.Namespace, build: packet.NewBuilder(packet.Config{MTU: cfg.MTU, Acks: true}), frame: packet.NewFramer(cfg.MTU)}
	err := cfg.Namespace.do(func() (err error) {
		if t.dev, err = create(cfg.Name, cfg.MTU, cfg.Stale); err != nil {
			return err
		}
		t.sock, err = openSocket(t.dev)
		return err
	})
	if err == nil {
		return t, nil
	}
	if t.dev != nil {
		err = errors.Join(err, t.dev.Close())
	}
	return nil, errors.Join(err, t.ns.Close())
}

// Forgotten is how many connections were forgotten for want of room: their packets
// start again.
func (t *Tap) Forgotten() uint64 { return t.build.Forgotten() }

// Write implements sink.Sink.
func (t *Tap) Write(ev event.Event) error { return t.build.Event(ev, t.send) }

// send sends what was captured of a packet. Bytes that were not are a gap in the
// sequence numbers, since an interface knows of no other way to say so.
func (t *Tap) send(p *packet.Packet) error {
	if p.Missing > 0 && len(p.Payload) == 0 {
		return nil
	}
	p.Missing = 0
	frame, err := t.frame.Frame(p)
	if err != nil {
		return err
	}
	if err := t.sock.send(frame, p); err != nil {
		if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("somebody switched the interface %s off or removed it: %w", t.name, err)
		}
		return fmt.Errorf("send %d bytes on %s: %w", len(frame), t.name, err)
	}
	return nil
}

// Flush implements sink.Sink; nothing waits.
func (t *Tap) Flush() error { return nil }

// Close removes the interface.
func (t *Tap) Close() error { return errors.Join(t.sock.close(), t.dev.Close(), t.ns.Close()) }

// Remove removes the interface at once, whatever the Tap is doing, for a program
// that ends. It may be called from any goroutine, before Close.
func (t *Tap) Remove() {
	_ = t.ns.do(func() error { return t.dev.remove() }) // the next ktlstop removes what stays
}
