package inspect

import (
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// fieldBlock is an incomplete field block (RFC 9113 §4.3).
type fieldBlock struct {
	stream, promised uint32
	raw              []byte
	endStream        bool
	open             bool // more of it is to come
}

// fragment adds to the field block, and returns the fields once it is complete.
func (h *h2) fragment(s *stream, raw []byte, whole bool) string {
	h.block.raw = append(h.block.raw, raw...)
	if len(h.block.raw) > maxHead {
		h.fail(s, "a field block is too long")
		h.block.raw = h.block.raw[:0]
	}
	if h.block.open = !whole; !whole {
		return ""
	}
	fields := h.fields(s)
	shown := make([]finding.Header, len(fields))
	var note strings.Builder
	for i, f := range fields {
		shown[i] = s.rules.field(f)
		note.WriteString("\n" + shown[i].Name + ": " + shown[i].Value)
	}
	h.headers(s, fields, shown)
	return note.String()
}

// fields decodes the field block.
func (h *h2) fields(s *stream) []hpack.HeaderField {
	if h.broken != "" {
		return nil
	}
	fields, err := h.hpack.DecodeFull(h.block.raw)
	if err != nil {
		h.fail(s, "a field block is malformed, or needs a table that was not seen")
		return nil
	}
	return fields
}

// fail stops the decoding of field blocks.
func (h *h2) fail(s *stream, why reason) {
	if h.broken == "" {
		s.in.note(s, "header fields of this HTTP/2 cannot be decoded from here on: "+why)
	}
	h.broken = why
}

// headers handles a complete field block, which is masked already.
func (h *h2) headers(s *stream, fields []hpack.HeaderField, shown []finding.Header) {
	b, c := &h.block, s.conn
	id := b.stream
	if b.promised != 0 {
		id = b.promised
	}
	ex := c.stream(s, id)
	side := &ex.sides[s.dir]
	method, status := pseudo(fields, ":method"), pseudo(fields, ":status")
	switch {
	case b.promised != 0:
		ex.ev.Dir = s.dir ^ 1
		ex.request(fields, shown)
		return
	case method != "":
		c.setClient(s.dir)
		side.message = ex.request(fields, shown)
		s.in.join.addRequest(ex)
	case status != "" && status[0] == '1': // interim, RFC 9110 §15.2
		return
	case status != "":
		c.setClient(s.dir ^ 1)
		side.message = ex.response(s, shown, status)
	case side.message == nil && c.clientKnown && s.dir == c.client:
		side.message = ex.request(nil, nil)
	case side.message == nil && c.clientKnown:
		side.message = ex.response(s, nil, "")
	}
	if side.message != nil && side.message.HeadLen == 0 {
		side.message.HeadLen = uint64(len(b.raw))
	}
	if b.endStream {
		h.endStream(s, id)
	}
}

func pseudo(fields []hpack.HeaderField, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// request sets the fields of a request, nil if they could not be decoded.
func (ex *exchange) request(fields []hpack.HeaderField, shown []finding.Header) *finding.Message {
	r := &finding.Request{}
	r.Headers = shown
	for i, f := range fields {
		switch value := shown[i].Value; f.Name {
		case ":method":
			r.Method = value
		case ":path":
			r.Path = value
		case ":authority":
			r.Host = value
		}
	}
	ex.ev.Request = r
	return &r.Message
}

// response is the same for responses.
func (ex *exchange) response(s *stream, shown []finding.Header, status string) *finding.Message {
	r := &finding.Response{}
	r.Status, _ = strconv.Atoi(status) // 0 is "not known"
	r.Headers = shown
	if ex.ev.Request == nil {
		ex.ev.Dir = s.dir ^ 1
		s.conn.noteUnseen(s)
	}
	ex.ev.Response = r
	return &r.Message
}
