package flow

import (
	"slices"

	"github.com/ktlstop/ktlstop/pkg/event"
)

type detailJSON struct {
	Sock    *sockJSON           `json:"sock"`
	Hist    map[string][]Bucket `json:"histograms"`
	TXPast  []float32           `json:"tx_bytes_per_s"`
	RXPast  []float32           `json:"rx_bytes_per_s"`
	Records []recordJSON        `json:"records"`
	Held    *heldJSON           `json:"held,omitempty"`
}

type heldJSON struct {
	OpenBytes   uint32  `json:"open_bytes,omitempty"`
	OpenFor     uint64  `json:"open_ns,omitempty"`
	Incomplete  uint32  `json:"incomplete_bytes,omitempty"`
	RecordBytes uint32  `json:"record_bytes,omitempty"`
	Quiet       uint64  `json:"quiet_ns,omitempty"`
	Unread      uint32  `json:"unread_records,omitempty"`
	UnreadBytes uint64  `json:"unread_bytes,omitempty"`
	Awaited     *uint64 `json:"awaited_ns,omitempty"`
}

func heldOf(h *event.Held) *heldJSON {
	if h == nil {
		return nil
	}
	j := &heldJSON{OpenBytes: h.OpenBytes, OpenFor: h.OpenFor, Incomplete: h.Incomplete, RecordBytes: h.RecordBytes,
		Quiet: h.QuietFor, Unread: h.Unread, UnreadBytes: h.UnreadBytes}
	if h.AwaitsKey {
		j.Awaited = &h.AwaitsKeyFor
	}
	return j
}

type recordJSON struct {
	Mono    uint64            `json:"mono_ns"`
	Dir     string            `json:"dir"`
	Seq     uint64            `json:"seq"`
	Gen     uint32            `json:"gen"`
	Kind    string            `json:"content_type"`
	Len     uint32            `json:"len"`
	Op      string            `json:"op"`
	Lat     map[string]uint64 `json:"lat_ns"`
	Unsent  bool              `json:"unsent,omitempty"`
	Payload []byte            `json:"payload,omitempty"`
}

func detailOf(d *Detail) *detailJSON {
	if d == nil || d.Row == nil {
		return nil
	}
	j := &detailJSON{
		Sock: sockOf(&d.Row.Conn), Hist: map[string][]Bucket{}, TXPast: d.Past[event.TX], RXPast: d.Past[event.RX],
		Records: make([]recordJSON, 0, len(d.Records)), Held: heldOf(d.Held),
	}
	for i := range d.Records {
		j.Records = append(j.Records, recordOf(&d.Records[i]))
	}
	for dir := range d.Lat {
		j.histograms(event.Dir(dir), &d.Lat[dir], &d.Size[dir])
	}
	return j
}

// histograms adds those of one direction that are not empty.
func (j *detailJSON) histograms(d event.Dir, h *Hists, size *Hist) {
	add := func(name string, h *Hist) {
		if h.Count() > 0 {
			j.Hist[d.String()+"_"+name] = h.Buckets()
		}
	}
	add("total_ns", &h.Total)
	add("len", size)
	if h.Stage == nil {
		return
	}
	for i, name := range StageNames[d] {
		add(name+"_ns", &h.Stage[i])
	}
}

func recordOf(r *event.Record) recordJSON {
	j := recordJSON{
		Mono: r.Mono, Dir: r.Dir.String(), Seq: r.Seq, Gen: r.Gen, Kind: r.Type.String(), Len: r.Len, Op: r.Op.String(), Unsent: r.Unsent,
		Lat: map[string]uint64{"total": r.Lat.Total}, Payload: slices.Clone(r.Payload),
	}
	for i, name := range StageNames[r.Dir&1] {
		j.Lat[name] = r.Lat.Stage[i]
	}
	return j
}
