package tui

import (
	"slices"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// row is what the view of connections shows a line of.
type row = *flow.Row

// connColumns are the columns of the view of connections.
func connColumns() []column[row] {
	return slices.Concat(identityColumns(), trafficColumns(), latencyColumns(), wearColumns())
}

// identityColumns say who it is and how it is protected.
func identityColumns() []column[row] {
	return []column[row]{
		{name: "PROCESS", width: 10, most: 22, prio: 0, help: "the task that was seen at work last, or in brackets the part of the kernel that has it",
			cell:  func(b []byte, r row, _ *env) []byte { return appendOwner(b, &r.Conn, &r.Proc) },
			order: by(func(r row) string { return r.Proc.Name() })},
		{name: "PID", width: 7, right: true, prio: 4, help: "process",
			cell:  func(b []byte, r row, _ *env) []byte { return appendPID(b, r.Proc.PID) },
			order: by(func(r row) uint32 { return r.Proc.PID })},
		{name: "PEER", width: 15, most: 47, prio: 2, help: "remote address and port; of the kernel's own connections also the local port",
			cell:  func(b []byte, r row, e *env) []byte { return appendRemote(b, &r.Conn, e) },
			order: comparePeers},
		{name: "LOCAL", width: 21, most: 47, prio: 17, help: "local address and port",
			cell: func(b []byte, r row, e *env) []byte { return appendPeer(b, r.Conn.LAddr, r.Conn.LPort, e) }},
		{name: "PLACE", width: 13, most: 40, prio: 12, help: "pod and container, or unit, or container",
			cell:  func(b []byte, r row, _ *env) []byte { return safe.Append(b, placeName(&r.Proc)) },
			order: by(func(r row) string { return placeName(&r.Proc) })},
		{name: "DIR", width: 3, prio: 7, help: "the direction that carries more bytes",
			cell: func(b []byte, r row, _ *env) []byte { return append(b, r.Busier().String()...) }},
		{name: "TLS", width: 3, prio: 12, help: "version; D12 is DTLS 1.2",
			cell:  func(b []byte, r row, _ *env) []byte { return append(b, shortVersion(r.TLS[r.Busier()].Version)...) },
			order: by(func(r row) event.Version { return r.TLS[r.Busier()].Version })},
		{name: "CIPHER", width: 11, most: 17, prio: 13, help: "AEAD",
			cell:  func(b []byte, r row, _ *env) []byte { return append(b, r.TLS[r.Busier()].Cipher.String()...) },
			order: by(func(r row) event.Cipher { return r.TLS[r.Busier()].Cipher })},
		{name: "TX", width: 2, prio: 8, help: "who encrypts: sw (kernel), hw (NIC), a dash for nobody",
			cell: func(b []byte, r row, e *env) []byte { return appendMode(b, r.TLS[event.TX].Mode, e) }},
		{name: "RX", width: 2, prio: 8, help: "who decrypts",
			cell: func(b []byte, r row, e *env) []byte { return appendMode(b, r.TLS[event.RX].Mode, e) }},
	}
}

// trafficColumns say how much goes through it.
func trafficColumns() []column[row] {
	return []column[row]{
		{name: "REC/S", width: 6, right: true, prio: 1, down: true, help: "records a second, both ways",
			cell:  func(b []byte, r row, _ *env) []byte { return appendRate(b, recordRate(&r.Rate)) },
			order: by(func(r row) float64 { return recordRate(&r.Rate) })},
		{name: "B/S", width: 6, right: true, prio: 3, down: true, help: "bytes of plaintext a second, both ways",
			cell:  func(b []byte, r row, _ *env) []byte { return appendRate(b, byteRate(&r.Rate)) },
			order: by(func(r row) float64 { return byteRate(&r.Rate) })},
		{name: "TX/S", width: 6, right: true, prio: 9, down: true, help: "bytes sent a second",
			cell:  func(b []byte, r row, _ *env) []byte { return appendRate(b, r.Rate[event.TX].Bytes) },
			order: by(func(r row) float64 { return r.Rate[event.TX].Bytes })},
		{name: "RX/S", width: 6, right: true, prio: 9, down: true, help: "bytes received a second",
			cell:  func(b []byte, r row, _ *env) []byte { return appendRate(b, r.Rate[event.RX].Bytes) },
			order: by(func(r row) float64 { return r.Rate[event.RX].Bytes })},
		{name: "RECS", width: 6, right: true, prio: 3, down: true, help: "records in all",
			cell:  func(b []byte, r row, _ *env) []byte { return appendCount(b, recordCount(&r.Totals)) },
			order: by(func(r row) uint64 { return recordCount(&r.Totals) })},
		{name: "BYTES", width: 6, right: true, prio: 3, down: true, help: "bytes of plaintext in all",
			cell:  func(b []byte, r row, _ *env) []byte { return appendCount(b, byteCount(&r.Totals)) },
			order: by(func(r row) uint64 { return byteCount(&r.Totals) })},
		{name: "SIZE", width: 6, right: true, prio: 14, down: true, help: "mean length of a record",
			cell:  func(b []byte, r row, _ *env) []byte { return appendCount(b, meanSize(r)) },
			order: by(meanSize)},
	}
}

// latencyColumns say how long its records take. Latencies are those of
// the direction that carries more bytes, which DIR names.
func latencyColumns() []column[row] {
	return []column[row]{
		{name: "P50", width: 6, right: true, prio: 2, down: true, help: "median of the total latency, within 12.5 %",
			cell:  func(b []byte, r row, _ *env) []byte { return appendTime(b, r.Lat[r.Busier()].P50) },
			order: by(func(r row) uint64 { return r.Lat[r.Busier()].P50 })},
		{name: "P99", width: 6, right: true, prio: 2, down: true, help: "its 99th percentile, within 12.5 %",
			cell:  func(b []byte, r row, _ *env) []byte { return appendTime(b, r.Lat[r.Busier()].P99) },
			order: by(func(r row) uint64 { return r.Lat[r.Busier()].P99 })},
		{name: "MAX", width: 6, right: true, prio: 10, down: true, help: "its maximum",
			cell:  func(b []byte, r row, _ *env) []byte { return appendTime(b, r.Lat[r.Busier()].Max) },
			order: by(func(r row) uint64 { return r.Lat[r.Busier()].Max })},
		{name: "SPLIT", width: splitWidth, prio: 11, help: "its split: queue, encrypt, push or wait, decrypt, deliver",
			paint: func(r row, e *env) line { return e.glyphs.stack(r.Lat[r.Busier()].Stage) }},
	}
}

// wearColumns say how old and how troubled it is.
func wearColumns() []column[row] {
	return []column[row]{
		{name: "FLG", width: 3, prio: 16, help: "Z: zero-copy, N: no padding is expected, K: rekeyed",
			cell: func(b []byte, r row, _ *env) []byte { return appendFlags(b, r) }},
		{name: "AGE", width: 4, right: true, prio: 15, down: true, help: "since it was first seen",
			cell:  func(b []byte, r row, e *env) []byte { return appendAge(b, r.Age(e.snap.Mono)) },
			order: func(a, b row) int { return -by(func(r row) uint64 { return r.First })(a, b) }},
		{name: "KEY%", width: 5, right: true, prio: 16, down: true, tone: keyTone,
			help:  "records under the present key, of the limit of RFC 8446 §5.5",
			cell:  func(b []byte, r row, _ *env) []byte { return appendKeyUse(b, keyUse(r)) },
			order: by(keyUse)},
		{name: "ERR", width: 4, right: true, prio: 14, down: true, help: "errors",
			tone:  func(r row) tone { return countTone(r.Errors, bad) },
			cell:  func(b []byte, r row, _ *env) []byte { return appendCount(b, r.Errors) },
			order: by(func(r row) uint64 { return r.Errors })},
		{name: "LOST", width: 4, right: true, prio: 14, down: true, help: "events lost",
			tone:  func(r row) tone { return countTone(r.Lost, bad) },
			cell:  func(b []byte, r row, _ *env) []byte { return appendCount(b, r.Lost) },
			order: by(func(r row) uint64 { return r.Lost })},
	}
}

// shortVersion takes three cells.
func shortVersion(v event.Version) string {
	if v == event.DTLS12 {
		return "D12"
	}
	return v.String()
}
