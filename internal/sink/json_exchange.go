package sink

import "github.com/ktlstop/ktlstop/internal/inspect/finding"

func (e *encoder) exchange(dst []byte, x *finding.Exchange) []byte {
	dst = e.head(dst, "message", x.Mono)
	dst = appendName(dst, "dir", x.Dir.String())
	dst = appendString(dst, "protocol", x.Protocol)
	dst = appendString(dst, "id", x.ID)
	dst = appendString(dst, "op", x.Op)
	dst = appendString(dst, "detail", x.Detail)
	dst = appendString(dst, "status", x.Status)
	dst = appendName(dst, "end", x.End.String())
	dst = appendUint(dst, "duration_ns", x.Duration)
	dst = appendUint(dst, "request_len", x.RequestLen)
	dst = appendUint(dst, "reply_len", x.ReplyLen)
	dst = appendProcess(dst, &x.Proc)
	dst = appendSock(dst, &x.Conn)
	dst = appendTLS(dst, &x.TLS)
	return appendName(dst, "tier", e.tier)
}
