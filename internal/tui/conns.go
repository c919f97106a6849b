package tui

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func newConns() table[*flow.Row] {
	t := table[*flow.Row]{
		cols:  connColumns(),
		keyOf: func(r *flow.Row) rowKey { return rowKey{a: r.Conn.ID} },
		match: func(r *flow.Row, f *Filter) bool { return f.matchRow(r) },
		old:   func(r *flow.Row) bool { return r.Closed != 0 },
	}
	t.sort = columnNamed(t.cols, "B/S")
	return t
}

// columnNamed is the index of a column, -1 if there is none.
func columnNamed[T any](cols []column[T], name string) int {
	for i := range cols {
		if cols[i].name == name {
			return i
		}
	}
	return -1
}

func comparePeers(a, b *flow.Row) int {
	if c := a.Conn.RAddr.Compare(b.Conn.RAddr); c != 0 {
		return c
	}
	return int(a.Conn.RPort) - int(b.Conn.RPort)
}

func recordRate(r *[2]flow.Rate) float64 { return r[event.TX].Records + r[event.RX].Records }
func byteRate(r *[2]flow.Rate) float64   { return r[event.TX].Bytes + r[event.RX].Bytes }
func recordCount(t *event.Totals) uint64 { return t.Records[event.TX] + t.Records[event.RX] }
func byteCount(t *event.Totals) uint64   { return t.Bytes[event.TX] + t.Bytes[event.RX] }
func meanSize(r *flow.Row) uint64        { return mean(byteCount(&r.Totals), recordCount(&r.Totals)) }

func appendFlags(b []byte, r *flow.Row) []byte {
	if r.TLS[event.TX].ZeroCopy || r.TLS[event.RX].ZeroCopy {
		b = append(b, 'Z')
	}
	if r.TLS[event.RX].NoPad {
		b = append(b, 'N')
	}
	if r.Gen[event.TX] > 0 || r.Gen[event.RX] > 0 {
		b = append(b, 'K')
	}
	return b
}

// keyLimit is the number of full-size records that RFC 8446 §5.5 allows under
// one key of AES-GCM, 2^24.5.
const keyLimit = 23_726_566

// keyUse is the larger share of that limit, in percent, that a direction has
// used up; 0 for ciphers without such a limit.
func keyUse(r *flow.Row) float64 {
	use := 0.0
	for d, t := range r.TLS {
		if limited(t.Cipher) {
			use = max(use, 100*float64(r.KeyRecords[d])/keyLimit)
		}
	}
	return use
}

func limited(c event.Cipher) bool {
	name := c.String()
	return name == "AES-GCM-128" || name == "AES-GCM-256"
}

func appendKeyUse(b []byte, percent float64) []byte {
	if percent == 0 {
		return append(b, '-')
	}
	if percent < 0.1 {
		return append(b, "<0.1"...)
	}
	return strconv.AppendFloat(b, min(percent, 9999), 'f', 1, 64)
}

func keyTone(r *flow.Row) tone {
	switch use := keyUse(r); {
	case use >= 100:
		return bad
	case use >= 80:
		return warn
	}
	return plain
}
