package tui

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

const (
	sec = uint64(time.Second)
	// offset makes the monotonic time 0 2026-11-22 18:08:20 UTC.
	offset = 1795370900 * int64(time.Second)
)

var comms = []string{"nginx", "haproxy", "curl", "日本語プロ", "\x1b[2J\xff\u202eevil", "openssl"}

// traffic feeds a Table with the traffic of n connections for some seconds, the
// same each time.
type traffic struct {
	table *flow.Table
	rng   *rand.Rand
	n     int
	now   uint64
	seq   map[uint64]uint64
	hosts []string // of which the connections are, if of several
}

func newTraffic(n int) *traffic {
	return &traffic{
		table: flow.NewTable(flow.Config{Offset: offset, Recent: 64}),
		rng:   rand.New(rand.NewPCG(1, 2)), n: n, now: 100 * sec, seq: map[uint64]uint64{},
	}
}

// places are those of the cgroups.
var places = []*event.Place{
	{Unit: "kubepods.slice", Container: strings.Repeat("0123456789abcdef", 4), Namespace: "shop", Pod: "web-7d4b9c-x2x8v", ContainerName: "front",
		PodUID: "0d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6"},
	{Unit: "nginx.service"},
	{Unit: "system.slice", Container: strings.Repeat("fedcba9876543210", 4)},
}

func (tr *traffic) conn(id uint64) event.Conn {
	c := event.Conn{
		ID: id, Cookie: 8192 + id, NetNS: 4026531840, Family: event.FamilyINET,
		LAddr: netip.MustParseAddr("192.0.2.1"), LPort: 443,
		RAddr: netip.AddrFrom4([4]byte{198, 51, byte(id >> 8), byte(id)}), RPort: uint16(40000 + id%20000),
	}
	if n := uint64(len(tr.hosts)); n > 0 {
		c.Host = tr.hosts[id%n]
	}
	if id%7 == 6 {
		c.Family, c.RAddr = event.FamilyINET6, netip.MustParseAddr("2001:db8:1234:5678:9abc:def0:1234:5678")
	}
	return c
}

func (tr *traffic) record(id uint64, d event.Dir) *event.Record {
	r := &event.Record{
		Conn: tr.conn(id), Dir: d, Seq: tr.seq[id], Type: event.ApplicationData, Len: uint32(tr.rng.IntN(16384) + 1),
		TLS:  event.TLS{Version: 0x0304, Cipher: event.Cipher(51 + id%4), Mode: event.Mode(1 + id%5/4)},
		Proc: event.Process{PID: 4000 + uint32(id%50), UID: 33, Comm: event.MakeComm(comms[id%6]), CgroupID: 7731 + id%3},
		Op:   event.OpSend, Mono: tr.now,
	}
	r.Proc.Place = places[id%3]
	tr.seq[id]++
	for i := range r.Lat.Stage {
		r.Lat.Stage[i] = uint64(tr.rng.ExpFloat64()*1000*float64(id%9+1)) + 100
		r.Lat.Total += r.Lat.Stage[i]
	}
	return r
}

// second lets a second pass with some records of each connection.
func (tr *traffic) second() {
	for id := uint64(1); id <= uint64(tr.n); id++ {
		for range 1 + id%3 {
			tr.now += 1000
			tr.table.Apply(tr.record(id, event.TX))
		}
		tr.table.Apply(tr.record(id, event.RX))
	}
	tr.now = (tr.now/sec + 1) * sec
}

// odd adds one of everything that is not data.
func (tr *traffic) odd() {
	alert := tr.record(1, event.TX)
	alert.Type, alert.Len, alert.Control = event.Alert, 2, &event.Control{AlertLevel: 2, AlertDescription: 20}
	tr.table.Apply(alert)
	update := tr.record(2, event.RX)
	update.Type, update.Len, update.Control = event.Handshake, 5, &event.Control{Handshakes: []uint8{24}, Messages: 1}
	tr.table.Apply(update)
	tr.table.Apply(&event.Socket{State: event.SocketRekey, Conn: tr.conn(2), Dir: event.RX, GenRX: 1, Mono: tr.now, TX: update.TLS, RX: update.TLS})
	tr.table.Apply(&event.Error{Conn: tr.conn(3), Errno: 74, Func: "tls_rx_one_record", Seq: 9, Dir: event.RX, Mono: tr.now, Proc: alert.Proc})
	conn := tr.conn(4)
	tr.table.Apply(&event.Lost{Cause: "gap", Count: 3, Conn: &conn, First: 7, Last: 9, Mono: tr.now})
	tr.table.Apply(&event.Lost{Cause: "ring", Count: 120, Mono: tr.now})
	tr.table.Apply(&event.Socket{State: event.SocketClose, Conn: tr.conn(5), Mono: tr.now})
}

// datagrams lets a connection of DTLS send and receive, in its second epoch, while part of
// what comes to it is dropped.
func (tr *traffic) datagrams(id uint64) {
	for _, d := range []event.Dir{event.TX, event.RX} {
		r := tr.record(id, d)
		r.TLS.Version, r.Epoch, r.Datagram, r.Len = event.DTLS12, 2, 1337, 1300
		r.Payload = []byte("a packet")
		tr.table.Apply(r)
		if d == event.RX {
			tr.table.Apply(&event.Drop{Conn: r.Conn, TLS: r.TLS, Proc: r.Proc, Mono: tr.now, Epoch: 2, Seq: 1 << 40, Type: event.ApplicationData,
				Len: 1300, Datagram: 1337, Reason: event.DropReplay, Count: 3})
		}
	}
}

func (tr *traffic) snapshot() *flow.Snapshot {
	s := tr.table.Snapshot(tr.now)
	s.Run = &flow.Run{
		Host: "web1", Kernel: "6.12.0-amd64", Version: "0.1", Source: "live", Tier: event.TierSnap, CPUs: 2,
		Hooks: []flow.Hook{
			{Name: "bpf_exec_tx_verdict", Attached: true}, {Name: "tls_rx_msg_ready", Note: "no wait time of records received"},
		},
		Rings:    []flow.Ring{{Name: "events", Size: 1 << 20, Used: 900_000, Lost: 120}},
		Programs: []event.ProgramCost{{Name: "bpf_exec_tx_verdict", Runs: tr.now / 1e6, Nanos: tr.now / 1e3}},
		CostOver: time.Duration(tr.now), CostRecords: tr.now / 1e6,
	}
	return s
}

// busy is a snapshot of n connections after some seconds, the third of them in
// detail with payload.
func busy(n, seconds int) *flow.Snapshot {
	tr := newTraffic(n)
	tr.table.Select(3)
	tr.snapshot()
	for range seconds {
		tr.second()
		tr.snapshot()
	}
	tr.odd()
	r := tr.record(3, event.RX)
	r.Payload = []byte("HTTP/1.1 200 OK\r\nServer: \x1b]0;owned\a\r\n\r\n")
	tr.table.Apply(r)
	tr.now += sec
	return tr.snapshot()
}

// screen is a model of a size that has seen s.
func screen(cfg Config, s *flow.Snapshot, width, height int) Model {
	if cfg.Source == nil {
		cfg.Source = func() *flow.Snapshot { return s }
	}
	cfg.NoColor = true
	m := New(cfg)
	return send(m, tea.WindowSizeMsg{Width: width, Height: height}, snapshotMsg{s, m.chain})
}

// send updates m with messages and with what the commands that are not ticks
// bring at once.
func send(m Model, msgs ...tea.Msg) Model {
	for _, msg := range msgs {
		next, cmd := m.Update(msg)
		m = next.(Model)
		if _, key := msg.(tea.KeyMsg); key && cmd != nil {
			m = follow(m, cmd)
		}
	}
	return m
}

// follow runs a command that a key caused. It must not be one that waits for
// time to pass.
func follow(m Model, cmd tea.Cmd) Model {
	msg := cmd()
	if _, quit := msg.(tea.QuitMsg); quit {
		return m
	}
	return update1(m, msg)
}

// press makes key messages of words such as "j", "enter", "esc".
func press(words ...string) (out []tea.Msg) {
	special := map[string]tea.KeyType{
		"enter": tea.KeyEnter, "esc": tea.KeyEsc, "up": tea.KeyUp, "down": tea.KeyDown, "tab": tea.KeyTab,
		"pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "home": tea.KeyHome, "end": tea.KeyEnd,
		"backspace": tea.KeyBackspace, "ctrl+c": tea.KeyCtrlC, "ctrl+u": tea.KeyCtrlU, "space": tea.KeySpace,
	}
	for _, w := range words {
		if k, ok := special[w]; ok {
			msg := tea.KeyMsg{Type: k}
			if k == tea.KeySpace {
				msg.Runes = []rune{' '}
			}
			out = append(out, msg)
			continue
		}
		for _, r := range w {
			out = append(out, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
		}
	}
	return out
}

func size(m Model) string { return fmt.Sprintf("%dx%d", m.width, m.height) }
