package sink

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

func (e *encoder) http(dst []byte, h *finding.HTTP) []byte {
	dst = e.head(dst, "http", h.Mono)
	dst = appendName(dst, "dir", h.Dir.String())
	dst = appendBothMessages(dst, h)
	if len(h.Upstream) > 0 {
		dst = appendUpstream(dst, h.Upstream)
		dst = appendUint(dst, "added_ns", h.Added)
	}
	if h.Ambiguous > 0 {
		dst = appendUint(dst, "ambiguous", uint64(h.Ambiguous))
	}
	dst = appendProcess(dst, &h.Proc)
	dst = appendSock(dst, &h.Conn)
	dst = appendTLS(dst, &h.TLS)
	return appendName(dst, "tier", e.tier)
}

func appendUpstream(dst []byte, all []finding.Upstream) []byte {
	dst = append(appendKey(dst, "upstream"), '[')
	for i, u := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"by":"`...)
		dst = append(dst, u.By.String()...)
		dst = append(dst, '"')
		dst = appendUint(dst, "after_ns", u.After)
		dst = appendBothMessages(dst, u.HTTP)
		dst = appendSock(dst, &u.Conn)
		dst = append(appendTLS(dst, &u.TLS), '}')
	}
	return append(dst, ']')
}

// appendBothMessages writes what a request and its response are.
func appendBothMessages(dst []byte, h *finding.HTTP) []byte {
	dst = appendName(dst, "version", h.Version)
	dst = appendUint(dst, "stream", uint64(h.Stream))
	dst = appendName(dst, "end", h.End.String())
	dst = appendUint(dst, "duration_ns", h.Duration)
	if r := h.Request; r != nil {
		dst = append(dst, `,"request":{"method":`...)
		dst = appendQuoted(dst, r.Method)
		dst = appendString(dst, "path", r.Path)
		dst = appendString(dst, "host", r.Host)
		dst = append(appendMessage(dst, &r.Message), '}')
	}
	if r := h.Response; r != nil {
		dst = append(dst, `,"response":{"status":`...)
		dst = strconv.AppendInt(dst, int64(r.Status), 10)
		dst = append(appendMessage(dst, &r.Message), '}')
	}
	return dst
}

func appendMessage(dst []byte, m *finding.Message) []byte {
	dst = appendUint(dst, "head_len", m.HeadLen)
	dst = appendUint(dst, "body_len", m.BodyLen)
	dst = append(appendKey(dst, "headers"), '[')
	for i, h := range m.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendQuoted(dst, h.Name)
		dst = append(appendString(dst, "value", h.Value), '}')
	}
	return append(dst, ']')
}

func (e *encoder) note(dst []byte, n *finding.Note) []byte {
	dst = e.head(dst, "note", n.Mono)
	dst = appendString(dst, "text", n.Text)
	dst = appendName(dst, "dir", n.Dir.String())
	dst = appendProcess(dst, &n.Proc)
	return appendSock(dst, &n.Conn)
}
