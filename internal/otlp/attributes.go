package otlp

import (
	"math"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// attributes collects known values, and leaves out unknown ones.
type attributes []*common.KeyValue

func (a *attributes) text(key, value string) {
	if value != "" {
		*a = append(*a, text(key, value))
	}
}

func (a *attributes) number(key string, value uint64) {
	if value != 0 {
		*a = append(*a, whole(key, value))
	}
}

// count adds a number that may be 0.
func (a *attributes) count(key string, value uint64) { *a = append(*a, whole(key, value)) }

// whole does not support numbers above 2^63, which no counter here reaches.
func whole(key string, value uint64) *common.KeyValue {
	n := int64(min(value, math.MaxInt64))
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}}
}

// text adds a string, which protobuf requires to be UTF-8.
func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.ToValidUTF8(value, "\uFFFD")}}}
}

// process identifies the process. The name that a task chose for itself is its
// thread.name: the executable may have another name.
func (a *attributes) process(p *event.Process) {
	a.number("process.pid", uint64(p.PID))
	a.number("thread.id", uint64(p.TID))
	a.text("thread.name", safe.String(p.Name()))
	if p.PID != 0 {
		a.count("process.user.id", uint64(p.UID))
	}
	place := p.In()
	a.text("container.id", safe.String(place.Container))
	a.text("k8s.namespace.name", safe.String(place.Namespace))
	a.text("k8s.pod.name", safe.String(place.Pod))
	a.text("k8s.pod.uid", safe.String(place.PodUID))
	a.text("k8s.container.name", safe.String(place.ContainerName))
	a.text("ktls.unit", safe.String(place.Unit))
}

// connection adds the addresses: the local end is that of the process.
func (a *attributes) connection(c *event.Conn, version event.Version) {
	if c.LAddr.IsValid() {
		a.text("network.local.address", c.LAddr.Unmap().String())
	}
	a.number("network.local.port", uint64(c.LPort))
	if c.RAddr.IsValid() {
		a.text("network.peer.address", c.RAddr.Unmap().String())
	}
	a.number("network.peer.port", uint64(c.RPort))
	a.text("network.type", networkType(c))
	a.text("network.transport", transport(version))
	a.number("ktls.socket.cookie", c.Cookie)
	a.number("ktls.netns", uint64(c.NetNS))
}

// networkType depends on the packets on the wire, not on the socket's family.
func networkType(c *event.Conn) string {
	switch addr := c.LAddr.Unmap(); {
	case addr.Is4():
		return "ipv4"
	case addr.Is6():
		return "ipv6"
	}
	return ""
}

func transport(v event.Version) string {
	if v.IsDTLS() {
		return "udp"
	}
	return "tcp"
}

// protection says how a direction is protected.
func (a *attributes) protection(t *event.TLS) {
	if t.Version != 0 {
		a.text("tls.protocol.name", t.Version.Proto().String())
		a.text("tls.protocol.version", versionNumber(t.Version))
	}
	a.text("tls.cipher", suite(t))
	a.text("ktls.cipher", t.Cipher.String())
	if t.Mode != event.ModeNone {
		a.text("ktls.mode", t.Mode.String())
	}
}

func versionNumber(v event.Version) string {
	if v == event.DTLS12 {
		return "1.2"
	}
	return v.String()
}

// suites are those of TLS 1.3 (RFC 8446 §B.4, RFC 8998) by the kernel's cipher. In TLS 1.2
// a suite is more than the cipher, so the kernel does not know it.
var suites = map[string]string{
	"AES-GCM-128": "TLS_AES_128_GCM_SHA256", "AES-GCM-256": "TLS_AES_256_GCM_SHA384",
	"CHACHA20-POLY1305": "TLS_CHACHA20_POLY1305_SHA256", "AES-CCM-128": "TLS_AES_128_CCM_SHA256",
	"SM4-GCM": "TLS_SM4_GCM_SM3", "SM4-CCM": "TLS_SM4_CCM_SM3",
}

func suite(t *event.TLS) string {
	if t.Version != 0x0304 {
		return ""
	}
	return suites[t.Cipher.String()]
}

// direction is the direction of a record or call, in semantic conventions
// network.io.direction.
func (a *attributes) direction(d event.Dir) {
	if d == event.RX {
		a.text("network.io.direction", "receive")
		return
	}
	a.text("network.io.direction", "transmit")
}

// position identifies the record.
func (a *attributes) position(seq uint64, gen uint32, typ event.ContentType) {
	a.count("ktls.record.seq", seq)
	a.count("ktls.key.generation", uint64(gen))
	if typ != 0 {
		a.text("ktls.record.type", typ.String())
	}
}

func (a *attributes) errno(n uint32) { a.text("error.type", event.ErrnoName(n)) }
