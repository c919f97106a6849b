package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// disk holds files by name, in the order they were made.
type disk struct {
	names []string
	files map[string]*memory
}

type memory struct {
	bytes.Buffer
	closed bool
}

func (m *memory) Close() error { m.closed = true; return nil }

func newDisk() *disk { return &disk{files: map[string]*memory{}} }

func (d *disk) create(name string) (io.WriteCloser, error) {
	d.names = append(d.names, name)
	d.files[name] = &memory{}
	return d.files[name], nil
}

func newTestPcapng(t *testing.T, d *disk, name string, rot Rotation, cfg PcapngConfig) *Pcapng {
	t.Helper()
	files, err := NewFiles(name, rot, QueueConfig{}, d.create)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPcapng(files, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func packetRecord(seq uint64, payload string, length uint32) *event.Record {
	return &event.Record{
		Conn: event.Conn{ID: 1, Cookie: 77, NetNS: 4026531840, LAddr: netip.MustParseAddr("192.0.2.1"), LPort: 443,
			RAddr: netip.MustParseAddr("192.0.2.9"), RPort: 51234},
		TLS:  event.TLS{Version: 0x0304, Cipher: 52, Mode: event.ModeSW},
		Proc: event.Process{PID: 42, TID: 43, UID: 33, Comm: event.MakeComm("ng\x1b\"inx")},
		Dir:  event.TX, Seq: seq, Type: event.ApplicationData, Len: length, Op: event.OpSendfile,
		Mono: 5_000_000_000, Lat: event.Latency{Stage: [3]uint64{1, 2, 3}, Total: 6}, Payload: []byte(payload),
	}
}

// got is a packet as a reader of the file sees it.
type got struct {
	ci      gopacket.CaptureInfo
	comment string
	tcp     *layers.TCP
	length  uint16 // of IP
	opts    pcapgo.NgPacketOptions
}

func readPcapng(t *testing.T, b []byte) (all []got, i pcapgo.NgInterface) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, ci, opts, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
		tcp, ip := p.Layer(layers.LayerTypeTCP).(*layers.TCP), p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		all = append(all, got{ci, strings.Join(opts.Comments, "|"), tcp, ip.Length, opts})
	}
	if i, err = r.Interface(0); err != nil {
		t.Fatal(err)
	}
	return all, i
}

func TestPcapng(t *testing.T) {
	d := newDisk()
	p := newTestPcapng(t, d, "x.pcapng", Rotation{}, PcapngConfig{Clock: FixedClock(1e18), Tier: event.TierSnap, Snaplen: 5, MTU: 1500, Application: "ktlstop test"})
	for _, r := range []*event.Record{packetRecord(3, "hello", 2000), packetRecord(5, "world", 5)} {
		if err := p.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.q.Close(nil); err != nil || !d.files["x.pcapng"].closed {
		t.Errorf("not closed: %v", err)
	}
	all, i := readPcapng(t, d.files["x.pcapng"].Bytes())
	if i.Name != "ktls" || !strings.HasSuffix(i.Description, "tier snap, 5 bytes of each record") {
		t.Errorf("interface %+v", i)
	}
	if len(all) != 6 {
		t.Fatalf("%d packets, want 3 for the handshake, 2 segments and 1", len(all))
	}
	if all[0].comment != "made up by ktlstop" || !all[0].tcp.SYN {
		t.Errorf("first packet: %q", all[0].comment)
	}
	first, second, last := all[3], all[4], all[5]
	note := `comm="ng\u001b\"inx" pid=42 tid=43 uid=33 dir=tx seq=3 gen=0 type=application_data len=2000 part=1 parts=2 op=sendfile ` +
		`tls=1.3 cipher=AES-GCM-256 mode=sw queue_ns=1 encrypt_ns=2 push_ns=3 total_ns=6 cookie=77 netns=4026531840`
	if first.comment != note {
		t.Errorf("comment\n%s, want\n%s", first.comment, note)
	}
	if string(first.tcp.Payload) != "hello" || first.ci.Length != 14+1500 || first.ci.CaptureLength != 14+40+5 || first.length != 1500 {
		t.Errorf("first segment %+v, IP length %d", first.ci, first.length)
	}
	if want := time.Unix(0, 1e18+5_000_000_000); !first.ci.Timestamp.Equal(want) {
		t.Errorf("time %v, want %v", first.ci.Timestamp, want)
	}
	if first.opts.Flags == nil || first.opts.Flags.Direction != pcapgo.NgEpbFlagDirectionOutbound {
		t.Errorf("flags %+v", first.opts.Flags)
	}
	if len(second.tcp.Payload) != 0 || second.length != 40+540 || second.tcp.Seq != first.tcp.Seq+1460 {
		t.Errorf("second segment: IP length %d, sequence %d", second.length, second.tcp.Seq)
	}
	if string(last.tcp.Payload) != "world" || last.tcp.Seq != first.tcp.Seq+2001 || !strings.HasSuffix(last.comment, " missing_records_before=1") {
		t.Errorf("last: %q %q, sequence %d", last.tcp.Payload, last.comment, last.tcp.Seq)
	}
}

// rotated writes n packets of one connection, a second apart, and returns the
// names of the files that it makes.
func rotated(t *testing.T, name string, rot Rotation, n int) (*disk, error) {
	t.Helper()
	d := newDisk()
	offset := time.Now().UnixNano()
	p := newTestPcapng(t, d, name, rot, PcapngConfig{Clock: FixedClock(offset)})
	var err error
	for i := range n {
		r := packetRecord(uint64(i), "0123456789", 10)
		r.Mono = uint64(i) * 1e9
		if err = p.Write(r); err != nil {
			break
		}
	}
	return d, errors.Join(err, p.q.Close(nil))
}

func TestRotation(t *testing.T) {
	for _, c := range []struct {
		rot  Rotation
		want []string // and so on
	}{
		{Rotation{Bytes: 1000}, []string{"f", "f1", "f2", "f3"}},
		{Rotation{Bytes: 1000, Count: 2}, []string{"f0", "f1", "f0", "f1"}},
		{Rotation{Bytes: 1000, Count: 11}, []string{"f00", "f01", "f02", "f03"}},
		{Rotation{Period: 4 * time.Second}, []string{"f", "f", "f"}},
		{Rotation{Period: 4 * time.Second, Count: 2}, []string{"f", "f"}},
	} {
		d, err := rotated(t, "f", c.rot, 12)
		if n := min(len(c.want), len(d.names)); n < len(c.want) || !slices.Equal(d.names[:n], c.want) {
			t.Errorf("%+v: files %q, want %q", c.rot, d.names, c.want)
		}
		if ended := c.rot.Count > 0 && c.rot.Bytes == 0; errors.Is(err, ErrEnough) != ended || !ended && err != nil {
			t.Errorf("%+v: %v", c.rot, err)
		}
		for name, f := range d.files {
			if all, _ := readPcapng(t, f.Bytes()); len(all) == 0 || !f.closed {
				t.Errorf("%+v: %s has %d packets, closed %v", c.rot, name, len(all), f.closed)
			}
		}
	}
}

// TestRotationLosesNothing: the files together have each packet once.
func TestRotationLosesNothing(t *testing.T) {
	d, err := rotated(t, "f", Rotation{Bytes: 700}, 50)
	if err != nil {
		t.Fatal(err)
	}
	var seqs []uint32
	for _, name := range d.names {
		all, _ := readPcapng(t, d.files[name].Bytes())
		for _, g := range all {
			if len(g.tcp.Payload) == 10 {
				seqs = append(seqs, g.tcp.Seq)
			}
		}
	}
	for i, s := range seqs {
		if s != seqs[0]+uint32(10*i) {
			t.Fatalf("packet %d has sequence %d", i, s)
		}
	}
	if len(seqs) != 50 {
		t.Errorf("%d packets, want 50", len(seqs))
	}
}

func TestStrftime(t *testing.T) {
	at := time.Date(2026, 3, 9, 7, 5, 2, 0, time.UTC)
	for format, want := range map[string]string{
		"plain": "plain", "%Y-%m-%d_%H.%M.%S": "2026-03-09_07.05.02", "100%%": "100%", "%F-%s": fmt.Sprint("2026-03-09-", at.Unix()), "%j%b%a": "068MarMon",
	} {
		if got, err := strftime(format, at); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", format, got, err, want)
		}
	}
	for _, format := range []string{"%", "a%", "%Q", "%1"} {
		if got, err := strftime(format, at); err == nil {
			t.Errorf("%q: %q", format, got)
		}
	}
}
