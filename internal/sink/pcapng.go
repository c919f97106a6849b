package sink

import (
	"bytes"
	"fmt"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ktlstop/ktlstop/internal/packet"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// PcapngConfig configures a Pcapng.
type PcapngConfig struct {
	// Clock converts the times of packets.
	Clock Clock
	// Tier and Snaplen go into the file for its readers: how much of each plaintext it
	// has. Snaplen is 0 if that is not known.
	Tier    event.Tier
	Snaplen int
	// MTU is packet.Config.MTU.
	MTU int
	// Application is the writer's name and version.
	Application string
}

// Pcapng writes, in Wireshark's format, the packets that the records would have been without
// TLS (internal/packet), each with a comment about the record. It is not safe for concurrent
// use.
type Pcapng struct {
	queueWriter
	cfg   PcapngConfig
	files *Files
	build *packet.Builder
	frame *packet.Framer
	ng    *pcapgo.NgWriter
	unit  bytes.Buffer // what ng has written
	note  []byte
}

// NewPcapng opens the first file and writes its header.
func NewPcapng(files *Files, cfg PcapngConfig) (*Pcapng, error) {
	p := &Pcapng{cfg: cfg, files: files, build: packet.NewBuilder(packet.Config{MTU: cfg.MTU}), frame: packet.NewFramer(cfg.MTU)}
	if err := p.head(); err != nil {
		return nil, err
	}
	if err := files.open(time.Now()); err != nil {
		return nil, err
	}
	p.queueWriter = newQueueWriter(files.q)
	return p, p.Flush()
}

// head returns the header of each file, so that it is readable without the others. It does
// not name this machine, which need not be the one that was traced.
func (p *Pcapng) head() (err error) {
	p.ng, err = pcapgo.NewNgWriterInterface(&p.unit,
		pcapgo.NgInterface{Name: "ktls", Description: p.description(), OS: "linux", LinkType: layers.LinkTypeEthernet, TimestampResolution: 9},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: p.cfg.Application}})
	if err != nil {
		return err
	}
	if err := p.ng.Flush(); err != nil {
		return err
	}
	p.files.head = bytes.Clone(p.unit.Bytes())
	return nil
}

func (p *Pcapng) description() string {
	s := "application data of kernel TLS as the TCP it would have been, tier " + p.cfg.Tier.String()
	if p.cfg.Snaplen > 0 {
		s += fmt.Sprintf(", %d bytes of each record", p.cfg.Snaplen)
	}
	return s
}

// Write implements Sink. The error is ErrEnough when Rotation.Count files are written. It
// writes all packets of an event or none.
func (p *Pcapng) Write(ev event.Event) error {
	p.unit.Reset()
	var at time.Time
	err := p.build.Event(ev, func(pkt *packet.Packet) error {
		at = time.Unix(0, int64(pkt.Mono)+p.cfg.Clock.Offset(pkt.Mono))
		return p.packet(pkt, at)
	})
	if err != nil || p.unit.Len() == 0 {
		return err
	}
	accepted, err := p.files.put(at, p.unit.Bytes(), rank(ev))
	if !accepted && err == nil {
		p.leaveOut(ev)
	}
	return err
}

// Forgotten returns how many connections were evicted for want of room. Their packets start
// with a new connection.
func (p *Pcapng) Forgotten() uint64 { return p.build.Forgotten() }

// Dropped counts the records whose packets found no room.
func (p *Pcapng) Dropped() uint64 { return p.records() }

func (p *Pcapng) packet(pkt *packet.Packet, at time.Time) error {
	frame, err := p.frame.Frame(pkt)
	if err != nil {
		return err
	}
	p.note = appendNote(p.note[:0], pkt)
	ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame) + pkt.Missing}
	opts := pcapgo.NgPacketOptions{Comments: []string{string(p.note)}, Flags: direction(pkt.Record)}
	if err := p.ng.WritePacketWithOptions(ci, frame, opts); err != nil {
		return err
	}
	return p.ng.Flush()
}

func direction(r *event.Record) *pcapgo.NgEpbFlags {
	switch {
	case r == nil:
		return nil
	case r.Dir == event.TX:
		return &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionOutbound}
	}
	return &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionInbound}
}

// Flush implements Sink.
func (p *Pcapng) Flush() error { return p.q.Flush() }
