package sink

import (
	"encoding/base64"
	"net/netip"
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// The functions here append `,"key":value` to an object that is not empty.

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

func appendUint(dst []byte, key string, v uint64) []byte {
	return strconv.AppendUint(appendKey(dst, key), v, 10)
}

func appendBool(dst []byte, key string, v bool) []byte {
	return strconv.AppendBool(appendKey(dst, key), v)
}

// appendName writes a word of this program, which needs no escape.
func appendName(dst []byte, key, v string) []byte {
	dst = append(appendKey(dst, key), '"')
	dst = append(dst, v...)
	return append(dst, '"')
}

// appendString writes a word that others chose, escaped.
func appendString(dst []byte, key, v string) []byte {
	return appendQuoted(appendKey(dst, key), v)
}

// appendPair writes what is counted by direction.
func appendPair(dst []byte, v [2]uint64) []byte {
	dst = append(dst, `{"tx":`...)
	dst = strconv.AppendUint(dst, v[event.TX], 10)
	dst = append(dst, `,"rx":`...)
	dst = strconv.AppendUint(dst, v[event.RX], 10)
	return append(dst, '}')
}

// appendContentType spells the types that have no name without the allocation
// that their String makes.
func appendContentType(dst []byte, t event.ContentType) []byte {
	dst = append(dst, `,"content_type":"`...)
	if t >= event.ChangeCipherSpec && t <= event.ApplicationData {
		dst = append(dst, t.String()...)
	} else {
		dst = strconv.AppendUint(append(dst, "type_"...), uint64(t), 10)
	}
	return append(dst, '"')
}

func appendProcess(dst []byte, p *event.Process) []byte {
	dst = appendUint(dst, "pid", uint64(p.PID))
	dst = appendUint(dst, "tid", uint64(p.TID))
	dst = append(dst, `,"comm":"`...)
	var name [32]byte
	dst = appendEscaped(dst, p.AppendName(name[:0]))
	dst = append(dst, '"')
	dst = appendUint(dst, "uid", uint64(p.UID))
	dst = appendUint(dst, "cgroup_id", p.CgroupID)
	return appendPlace(dst, p.Place)
}

var nowhere event.Place

// appendPlace omits what is not known, except for the id of a container.
func appendPlace(dst []byte, p *event.Place) []byte {
	if p == nil {
		p = &nowhere
	}
	dst = appendString(dst, "container", p.Container)
	dst = appendKnown(dst, "unit", p.Unit)
	if p.PodUID == "" && p.Namespace == "" && p.Pod == "" && p.ContainerName == "" {
		return dst
	}
	dst = append(dst, `,"k8s":{"pod_uid":`...)
	dst = appendQuoted(dst, p.PodUID)
	dst = appendKnown(dst, "namespace", p.Namespace)
	dst = appendKnown(dst, "pod", p.Pod)
	dst = appendKnown(dst, "container", p.ContainerName)
	return append(dst, '}')
}

func appendKnown(dst []byte, key, v string) []byte {
	if v == "" {
		return dst
	}
	return appendString(dst, key, v)
}

// appendSock writes the connection and its owner, which can change.
func appendSock(dst []byte, c *event.Conn) []byte {
	dst = append(dst, `,"sock":{"cookie":`...)
	dst = strconv.AppendUint(dst, c.Cookie, 10)
	dst = appendUint(dst, "netns", uint64(c.NetNS))
	dst = appendName(dst, "family", c.Family.String())
	dst = appendAddr(dst, "laddr", c.LAddr)
	dst = appendUint(dst, "lport", uint64(c.LPort))
	dst = appendAddr(dst, "raddr", c.RAddr)
	dst = appendUint(dst, "rport", uint64(c.RPort))
	return appendKnown(append(dst, '}'), "kernel_user", c.KernelUser)
}

// appendAddr writes an address without its zone, whose characters need not be harmless.
func appendAddr(dst []byte, key string, a netip.Addr) []byte {
	dst = append(appendKey(dst, key), '"')
	dst = a.WithZone("").AppendTo(dst)
	return append(dst, '"')
}

func appendTLS(dst []byte, t *event.TLS) []byte {
	dst = append(dst, `,"tls":{"version":"`...)
	dst = append(dst, t.Version.String()...)
	dst = append(dst, '"')
	dst = appendName(dst, "cipher", t.Cipher.String())
	dst = appendName(dst, "mode", t.Mode.String())
	dst = appendBool(dst, "zerocopy", t.ZeroCopy)
	if t.NoPad {
		dst = appendBool(dst, "no_pad", true)
	}
	if t.Card != event.CardNotAsked {
		dst = appendName(dst, "card", t.Card.String())
	}
	return append(dst, '}')
}

func appendLatency(dst []byte, d event.Dir, l *event.Latency) []byte {
	names := &flow.StageNames[d&1]
	dst = append(dst, `,"lat_ns":{"`...)
	dst = append(dst, names[0]...)
	dst = append(dst, '"', ':')
	dst = strconv.AppendUint(dst, l.Stage[0], 10)
	dst = appendUint(dst, names[1], l.Stage[1])
	dst = appendUint(dst, names[2], l.Stage[2])
	dst = appendUint(dst, "total", l.Total)
	return append(dst, '}')
}

// appendCall writes the call that returned with a record.
func appendCall(dst []byte, c event.Call) []byte {
	dst = append(dst, `,"call":{"records":`...)
	dst = strconv.AppendUint(dst, uint64(c.Records), 10)
	dst = appendUint(dst, "ns", c.Time)
	return append(dst, '}')
}

func (e *encoder) trigger(dst []byte, t *event.Trigger) []byte {
	dst = e.head(dst, "trigger", t.Mono)
	dst = appendName(dst, "by", t.By.String())
	dst = appendString(dst, "expr", t.Expr)
	dst = appendUint(dst, "asked_ns", t.Requested)
	dst = appendUint(dst, "kept_ns", t.Kept)
	return appendUint(dst, "again", t.Again)
}

// appendControl writes what an alert or a handshake record says.
func appendControl(dst []byte, r *event.Record) []byte {
	switch {
	case r.Control == nil:
	case r.Type == event.Alert:
		dst = append(dst, `,"alert":{"level":"`...)
		dst = append(dst, event.AlertLevel(r.Control.AlertLevel)...)
		dst = append(dst, '"')
		dst = appendName(dst, "description", event.AlertDescription(r.Control.AlertDescription))
		dst = append(dst, '}')
	case r.Type == event.Handshake:
		dst = appendMessages(dst, r.Control)
	}
	return dst
}

func appendMessages(dst []byte, c *event.Control) []byte {
	dst = append(dst, `,"handshake":{"msg_type":"`...)
	dst = append(dst, c.FirstMessage()...)
	dst = append(dst, '"')
	if c.Messages == 0 && len(c.Handshakes) > 0 { // only the first is known
		return append(dst, '}')
	}
	dst = append(dst, `,"messages":[`...)
	for i, t := range c.Handshakes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, event.HandshakeType(t)...)
		dst = append(dst, '"')
	}
	dst = append(dst, ']')
	if more := c.Messages - len(c.Handshakes); more > 0 {
		dst = appendUint(dst, "more", uint64(more))
	}
	if c.ContinuesPrevious {
		dst = append(dst, `,"continued":true`...)
	}
	if c.ContinuesInNext {
		dst = append(dst, `,"goes_on":true`...)
	}
	return append(dst, '}')
}

func appendPayload(dst, p []byte) []byte {
	dst = append(dst, `,"payload":{"len":`...)
	dst = strconv.AppendInt(dst, int64(len(p)), 10)
	dst = append(dst, `,"data":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, p)
	return append(dst, '"', '}')
}
