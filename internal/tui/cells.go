package tui

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// The functions here append the text of a cell.

func appendComm(dst []byte, p *event.Process) []byte {
	var name [32]byte
	return safe.Append(dst, p.AppendName(name[:0]))
}

func appendPID(dst []byte, pid uint32) []byte {
	if pid == 0 {
		return append(dst, '-')
	}
	return strconv.AppendUint(dst, uint64(pid), 10)
}

// appendPeer is appendEndpoint for a cell: where it does not fit, the address
// loses its tail, and the port stays.
func appendPeer(dst []byte, a netip.Addr, port uint16, e *env) []byte {
	at := len(dst)
	dst = appendEndpoint(dst, a, port)
	if len(dst)-at <= e.width || !a.IsValid() {
		return dst
	}
	tail := ":" + strconv.Itoa(int(port))
	keep := e.width - len(tail) - 1
	if keep < 1 {
		return dst
	}
	dst = append(dst[:at+keep], e.glyphs.cut...)
	return append(dst, tail...)
}

func appendEndpoint(dst []byte, a netip.Addr, port uint16) []byte {
	if !a.IsValid() {
		return append(dst, '?')
	}
	return netip.AddrPortFrom(a.WithZone(""), port).AppendTo(dst)
}

// appendTime is 0 as a dash: a time that was not seen.
func appendTime(dst []byte, ns uint64) []byte {
	if ns == 0 {
		return append(dst, '-')
	}
	return units.AppendDuration(dst, ns)
}

func appendRate(dst []byte, v float64) []byte { return append(dst, units.Rate(v)...) }

func appendClock(dst []byte, e *env, mono uint64) []byte {
	return e.snap.Wall(mono).In(e.loc).AppendFormat(dst, "15:04:05.000")
}

// appendAge is 5s, 12m, 3h, 4d.
func appendAge(dst []byte, d time.Duration) []byte {
	switch {
	case d < time.Minute:
		return append(strconv.AppendInt(dst, int64(d/time.Second), 10), 's')
	case d < time.Hour:
		return append(strconv.AppendInt(dst, int64(d/time.Minute), 10), 'm')
	case d < 48*time.Hour:
		return append(strconv.AppendInt(dst, int64(d/time.Hour), 10), 'h')
	}
	return append(strconv.AppendInt(dst, int64(d/(24*time.Hour)), 10), 'd')
}

func appendMode(dst []byte, m event.Mode, e *env) []byte {
	if m == event.ModeNone {
		return append(dst, e.glyphs.none...)
	}
	return append(dst, m.String()...)
}

func appendCount(dst []byte, v uint64) []byte { return units.AppendCount(dst, v) }

func mean(sum, n uint64) uint64 {
	if n == 0 {
		return 0
	}
	return sum / n
}

// countTone underlines what should be 0.
func countTone(v uint64, t tone) tone {
	if v == 0 {
		return plain
	}
	return t
}
