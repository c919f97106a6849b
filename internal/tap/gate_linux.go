package tap

import (
	"errors"

	"github.com/ktlstop/ktlstop/internal/packet"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Gate asks a socket filter about records. Each goes as one packet over an
// interface in a network namespace of the gate's own; what the filter lets
// through to the socket at the other end, passes. Interface and namespace end
// with the program, however it ends. A Gate is not safe for concurrent use.
type Gate struct {
	dev     *Device
	in, out *socket
	build   *packet.Builder
	frame   *packet.Framer
	passed  bool
}

// NewGate makes the interface and attaches the filter.
func NewGate(filter Filter) (*Gate, error) {
	ns, err := NewNamespace()
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	g := &Gate{build: packet.NewBuilder(packet.Config{EachSocket: true}), frame: packet.NewFramer(0)}
	if err := ns.do(func() error { return g.open(filter) }); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Gate) open(filter Filter) (err error) {
	if g.dev, err = create("ktls0", packet.MaxMTU, func(string) {}); err != nil {
		return err
	}
	if g.in, err = openSocket(g.dev); err != nil {
		return err
	}
	if g.out, err = openSocket(g.dev); err != nil {
		return err
	}
	if err := filter(g.out.fd); err != nil {
		return err
	}
	return g.out.listen() // and not before: the first frame is filtered too
}

// Forgotten is how many connections were forgotten for want of room: their packets
// start again.
func (g *Gate) Forgotten() uint64 { return g.build.Forgotten() }

// Pass reports whether the filter lets a record through. Records that are no
// application data have no packet, and do not pass; other events do.
func (g *Gate) Pass(ev event.Event) (bool, error) {
	_, isRecord := ev.(*event.Record)
	g.passed = false
	err := g.build.Event(ev, g.ask)
	return g.passed || !isRecord, err
}

// ask sends a packet. Nobody else sends here, and the interface delivers before
// sendto returns: what is in the queue then is this packet.
func (g *Gate) ask(p *packet.Packet) error {
	frame, err := g.frame.Frame(p)
	if err != nil {
		return err
	}
	if err := g.in.send(frame, p); err != nil {
		return err
	}
	through, err := g.out.received()
	if p.Record != nil {
		g.passed = through
	}
	return err
}

// Close removes the interface.
func (g *Gate) Close() error {
	var errs []error
	for _, s := range []*socket{g.in, g.out} {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	if g.dev != nil {
		errs = append(errs, g.dev.Close())
	}
	return errors.Join(errs...)
}
