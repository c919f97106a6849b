package sink

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ktlstop/ktlstop/internal/packet"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// PcapngConfig says how Pcapng writes.
type PcapngConfig struct {
	// Clock tells the time of packets.
	Clock Clock
	// Tier and Snaplen tell the reader how much of each plaintext to expect.
	Tier    event.Tier
	Snaplen int
	// MTU is packet.Config.MTU.
	MTU int
	// Application is the writer's name and version.
	Application string
}

// Pcapng writes the packets that records would have been without TLS
// (internal/packet) in the format of Wireshark, each with a comment that tells
// of the record. It is not safe for concurrent use.
type Pcapng struct {
	cfg   PcapngConfig
	files *Files
	build *packet.Builder
	frame *packet.Framer
	ng    *pcapgo.NgWriter
	note  []byte
}

// NewPcapng opens the first file and writes its head.
func NewPcapng(files *Files, cfg PcapngConfig) (*Pcapng, error) {
	p := &Pcapng{cfg: cfg, files: files, build: packet.NewBuilder(packet.Config{MTU: cfg.MTU}), frame: packet.NewFramer(cfg.MTU)}
	files.head = p.head
	if err := files.open(time.Now()); err != nil {
		return nil, err
	}
	return p, p.Flush()
}

// head begins a file: each can be read without the others.
func (p *Pcapng) head(w io.Writer) (err error) {
	p.ng, err = pcapgo.NewNgWriterInterface(w,
		pcapgo.NgInterface{Name: "ktls", Description: p.description(), OS: runtime.GOOS, LinkType: layers.LinkTypeEthernet, TimestampResolution: 9},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: p.cfg.Application}})
	if err != nil {
		return err
	}
	return p.ng.Flush()
}

func (p *Pcapng) description() string {
	s := "application data of kernel TLS as the TCP it would have been, tier " + p.cfg.Tier.String()
	if p.cfg.Tier == event.TierSnap {
		s += fmt.Sprintf(", %d bytes of each record", p.cfg.Snaplen)
	}
	return s
}

// Write implements Sink. The error is ErrEnough when there are as many files as
// there may be.
func (p *Pcapng) Write(ev event.Event) error { return p.build.Event(ev, p.packet) }

func (p *Pcapng) packet(pkt *packet.Packet) error {
	ts := time.Unix(0, int64(pkt.Mono)+p.cfg.Clock.Offset(pkt.Mono))
	if err := p.files.rotate(ts); err != nil {
		return err
	}
	frame, err := p.frame.Frame(pkt)
	if err != nil {
		return err
	}
	p.note = appendNote(p.note[:0], pkt)
	ci := gopacket.CaptureInfo{Timestamp: ts, CaptureLength: len(frame), Length: len(frame) + pkt.Missing}
	opts := pcapgo.NgPacketOptions{Comments: []string{string(p.note)}, Flags: direction(pkt.Record)}
	if err := p.ng.WritePacketWithOptions(ci, frame, opts); err != nil {
		return err
	}
	return p.ng.Flush() // to the file's buffer, which counts the bytes
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
func (p *Pcapng) Flush() error { return p.files.flush() }

// Close flushes and closes the file.
func (p *Pcapng) Close() error { return p.files.close() }
