package sink

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/packet"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// appendNote writes a packet's comment: words of the form key=value, as in JSON.
func appendNote(dst []byte, p *packet.Packet) []byte {
	if p.Record == nil {
		dst = append(dst, "made up by ktlstop"...)
	} else {
		dst = appendRecordNote(dst, p)
	}
	if p.Gap > 0 {
		dst = noteUint(dst, "missing_records_before", p.Gap)
	}
	return dst
}

func appendRecordNote(dst []byte, p *packet.Packet) []byte {
	r := p.Record
	dst = append(dst, "comm="...)
	dst = appendQuoted(dst, r.Proc.Name())
	dst = noteUint(dst, "pid", uint64(r.Proc.PID))
	dst = noteUint(dst, "tid", uint64(r.Proc.TID))
	dst = noteUint(dst, "uid", uint64(r.Proc.UID))
	dst = noteWord(dst, "dir", r.Dir.String())
	if r.TLS.Version.IsDTLS() {
		dst = noteUint(dst, "epoch", uint64(r.Epoch))
	}
	dst = noteUint(dst, "seq", r.Seq)
	dst = noteUint(dst, "gen", uint64(r.Gen))
	dst = noteWord(dst, "type", r.Type.String())
	dst = noteUint(dst, "len", uint64(r.Len))
	if p.Parts > 1 {
		dst = noteUint(dst, "part", uint64(p.Part))
		dst = noteUint(dst, "parts", uint64(p.Parts))
	}
	dst = noteWord(dst, "op", r.Op.String())
	dst = noteWord(dst, "tls", r.TLS.Version.String())
	dst = noteWord(dst, "cipher", r.TLS.Cipher.String())
	dst = noteWord(dst, "mode", r.TLS.Mode.String())
	dst = noteWord(dst, "card", r.TLS.Card.String())
	dst = noteLatency(dst, r)
	dst = noteUint(dst, "cookie", r.Conn.Cookie)
	return noteUint(dst, "netns", uint64(r.Conn.NetNS))
}

func noteLatency(dst []byte, r *event.Record) []byte {
	for i, name := range flow.StageNames[r.Dir&1] {
		dst = noteUint(dst, name+"_ns", r.Lat.Stage[i])
	}
	return noteUint(dst, "total_ns", r.Lat.Total)
}

func noteKey(dst []byte, key string) []byte {
	dst = append(append(dst, ' '), key...)
	return append(dst, '=')
}

func noteUint(dst []byte, key string, v uint64) []byte {
	return strconv.AppendUint(noteKey(dst, key), v, 10)
}

// noteWord omits what is not known.
func noteWord(dst []byte, key, v string) []byte {
	if v == "" {
		return dst
	}
	return append(noteKey(dst, key), v...)
}
