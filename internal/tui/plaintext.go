package tui

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// payloadRecords is the number of records whose plaintext is shown.
const payloadRecords = 8

// payloads shows the plaintext of the last records that brought some, under a
// line that says so.
func (m *Model) payloads(d *flow.Detail) []line {
	var shown []*event.Record
	for i := len(d.Records) - 1; i >= 0 && len(shown) < payloadRecords; i-- {
		if len(d.Records[i].Payload) > 0 {
			shown = append(shown, &d.Records[i])
		}
	}
	if len(shown) == 0 {
		return []line{nil, {{"no plaintext: it is shown only where the run asked for it (--snaplen N)", warn}}}
	}
	out := []line{nil, {{"PLAINTEXT IS SHOWN, newest record first; x hides it", bad}}}
	for _, r := range shown {
		out = append(out, payload(r)...)
	}
	return out
}

func payload(r *event.Record) []line {
	head := r.Dir.String() + " " + typeName(r.Type) + " seq " + string(r.AppendSeq(nil)) +
		", " + strconv.Itoa(len(r.Payload)) + " of " + strconv.FormatUint(uint64(r.Len), 10) + " bytes"
	out := []line{{{head, accent}}}
	for off := 0; off < len(r.Payload); off += safe.RowBytes {
		out = append(out, text("  "+string(safe.AppendHexRow(nil, off, r.Payload[off:]))))
	}
	return out
}
