package gen

import (
	"cmp"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// maxRecord is the most plaintext in a record of TLS, and in one of DTLS.
const maxRecord = 16384

// Tally counts the records that one end sent after its handshake.
type Tally struct {
	Records uint64            `json:"records"`
	Bytes   uint64            `json:"bytes"` // of plaintext, of all types
	Types   map[string]uint64 `json:"types"` // records of each content type
	List    []Record          `json:"list,omitempty"`
	listing bool
	most    int // bytes of a record, where that is not maxRecord
}

// Record is one record.
type Record struct {
	Type string `json:"type"` // RFC 8446's name of the content type
	Len  int    `json:"len"`
	Op   Op     `json:"op"`
}

// add counts n bytes of one type, sent by one call.
func (t *Tally) add(typ raw.ContentType, n int, op Op) {
	most := cmp.Or(t.most, maxRecord)
	for ; n > 0; n -= most {
		t.record(Record{typ.String(), min(n, most), op})
	}
}

// control counts a record other than application data.
func (t *Tally) control(typ raw.ContentType, n int) { t.add(typ, n, OpSend) }

func (t *Tally) record(r Record) {
	if t.Types == nil {
		t.Types = map[string]uint64{}
	}
	t.Records++
	t.Bytes += uint64(r.Len)
	t.Types[r.Type]++
	if t.listing {
		t.List = append(t.List, r)
	}
}
