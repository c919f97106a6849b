// Package matchtest makes expressions for the tests of the parser, of the
// reference evaluator and of the compiler.
package matchtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Expressions is a table of what users write, with each field at least once.
var Expressions = []string{
	`dir == tx and len > 4000 and port == 443`,
	`dir = rx`,
	`event == record`,
	`event != record or event in (rekey, socket)`,
	`not event == error and len > 10`,
	`errno == EBADMSG`,
	`errno != EBADMSG`,
	`not errno in (EIO, 74)`,
	`dir != tx`,
	`len <= 4k or len >= 16384`,
	`len in (0, 1, 100) && !(len == 1)`,
	`type == alert`,
	`type in (data, handshake, 77)`,
	`type != application_data`,
	`seq < 3`,
	`seq == 0xffffffffffffffff or seq > 0x7fffffff`,
	`gen != 0`,
	`op == sendfile`,
	`op in (recv, splice_read, none)`,
	`pid == 4242`,
	`pid != 4242 and tid == 4243`,
	`uid in (0, 33)`,
	`comm in ("nginx","haproxy")`,
	`comm != nginx`,
	`comm contains gin`,
	`not comm contains "-1"`,
	`comm == "a-name-too-long-for-the-kernel"`,
	`cgroup == 7731 or cgroup > 0x100000000`,
	`netns == 4026531840`,
	`cookie not in (8193, 8194)`,
	`family == inet6`,
	`port == 443`,
	`port != 443`,
	`port not in (80, 443)`,
	`port > 40000`,
	`lport < 1024 and rport >= 1024`,
	`raddr in 192.0.2.0/24`,
	`raddr == 192.0.2.1`,
	`laddr != 192.0.2.1`,
	`addr in (192.0.2.0/25, 2001:db8::/33)`,
	`addr not in (10.0.0.0/8, ::1)`,
	`raddr in ::/0`,
	`raddr in 0.0.0.0/0`,
	`laddr == ::ffff:192.0.2.1`,
	`version == 1.3`,
	`version < 1.3`,
	`cipher == AES-GCM-128 or cipher == chacha20-poly1305`,
	`mode == hw`,
	`proto == dtls and epoch > 0`,
	`proto == tls`,
	`version == DTLS1.2`,
	`version < DTLS1.2`,
	`version >= DTLS1.2`,
	`epoch in (0, 1, 65535)`,
	`mode != sw`,
	`card in (part, none)`,
	`alert == close_notify`,
	`alert != close_notify`,
	`not alert == close_notify`,
	`alert.level == fatal and alert in (bad_record_mac, 112)`,
	`handshake == key_update`,
	`lat.encrypt > 5ms`,
	`lat.queue <= 300us or lat.push == 1ns`,
	`lat.wait < 5ms and lat.decrypt > 0s`,
	`lat.decrypt != 5ms`,
	`lat.deliver >= 5ms`,
	`lat.total > 5ms`,
	`not lat.total > 5ms`,
	`dir == tx and lat.total > 5ms`,
	`payload[0:4] == "GET "`,
	`payload[0:4] in ("GET ", "POST", "HEAD")`,
	`payload[:3] != "GET"`,
	`payload[3] == "\x20"`,
	`payload[250:256] == "abcdef"`,
	`payload contains "password"`,
	`payload contains password and payload contains " "`,
	`not payload contains "\x00\xff"`,
	`payload contains "sixteen bytes is"`,
	`payload contains x or payload[1:2] == "x" or port == 443`,
	`port == 443 payload contains secret`,
	`payload contains G and lat.total > 5ms`,
	`nginx`,
	`"192.0.2" and dir == tx`,
	`port == 443 or nginx`,
	`container == web or len == 100`,
	`unit == "nginx.service" or namespace != shop`,
	`kernel_user == nvme_tcp`, `kernel_user != nfs and port == 2049`, `kernel_user contains nvme or uid == 0`,
	`host == web1 or host contains web and port == 443`,
	`pod contains web and not container == web`,
	`not (len > 100 or port == 443)`,
	`not (len > 100 and port == 443) and not not dir == tx`,
	`(dir == tx and (len > 100 or (len == 1 and not (port == 80 or uid == 0)))) or type == alert`,
}

var fields = []struct {
	name    string
	ordered bool
	values  []string
}{
	{"dir", false, []string{"tx", "rx"}},
	{"len", true, []string{"0", "1", "100", "255", "256", "257", "4000", "16k"}},
	{"type", false, []string{"data", "alert", "handshake", "ccs", "77"}},
	{"seq", true, []string{"0", "3", "0x7fffffff", "0x80000000", "0xffffffff", "0x100000000", "0xffffffffffffffff"}},
	{"gen", true, []string{"0", "1"}},
	{"op", false, []string{"none", "send", "sendfile", "recv", "splice_read", "read_sock"}},
	{"pid", true, []string{"0", "1", "4242", "4243"}},
	{"tid", true, []string{"0", "1", "4242", "4243"}},
	{"uid", true, []string{"0", "33", "0xffffffff"}},
	{"cgroup", true, []string{"0", "7731", "0x100000001"}},
	{"netns", true, []string{"4026531840", "4026532008"}},
	{"cookie", true, []string{"0", "8193", "8194"}},
	{"family", false, []string{"inet", "inet6"}},
	{"port", true, []string{"80", "443", "40001", "65535"}},
	{"lport", true, []string{"80", "443", "40001", "65535"}},
	{"rport", true, []string{"80", "443", "40001", "65535"}},
	{"version", true, []string{"1.2", "1.3"}},
	{"cipher", false, []string{"aes-gcm-128", "AES-GCM-256", "54"}},
	{"mode", false, []string{"sw", "hw", "none"}},
	{"card", false, []string{"all", "part", "none"}},
	{"alert", false, []string{"close_notify", "bad_record_mac", "112"}},
	{"alert.level", false, []string{"warning", "fatal"}},
	{"handshake", false, []string{"key_update", "finished", "0"}},
	{"lat.queue", true, durations},
	{"lat.encrypt", true, durations},
	{"lat.push", true, durations},
	{"lat.wait", true, durations},
	{"lat.decrypt", true, durations},
	{"lat.deliver", true, durations},
	{"lat.total", true, durations},
	{"comm", false, []string{"nginx", "ngin", `"haproxy"`, "fifteen-letters", `"\xff\x1b"`}},
	{"laddr", false, addresses},
	{"raddr", false, addresses},
	{"addr", false, addresses},
}

var durations = []string{"0s", "1ns", "5ms", "300us", "3s", "10s"}

var addresses = []string{
	"192.0.2.1", "192.0.2.0/24", "192.0.2.128/25", "10.0.0.0/7", "0.0.0.0/0",
	"::1", "2001:db8::/32", "2001:db8::/33", "2001:db8::1", "::/0", "::ffff:192.0.2.1",
}

// Pieces are what plaintexts are made of and what they are searched for.
var Pieces = []string{"GET ", "POST", "password", "\x00\xff", "x", "sixteen bytes is", "\"\\"}

// Random makes a well-typed expression that the kernel can evaluate.
func Random(r *rand.Rand) string { return expr(r, 4) }

func expr(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(3) == 0 {
		return test(r)
	}
	switch r.IntN(5) {
	case 0:
		return "not " + parens(r, depth)
	case 1, 2:
		return parens(r, depth) + " or " + parens(r, depth)
	}
	return parens(r, depth) + [...]string{" and ", " && ", " "}[r.IntN(3)] + parens(r, depth)
}

func parens(r *rand.Rand, depth int) string { return "(" + expr(r, depth-1) + ")" }

func test(r *rand.Rand) string {
	if r.IntN(6) == 0 {
		return payload(r)
	}
	f := fields[r.IntN(len(fields))]
	value := func() string { return f.values[r.IntN(len(f.values))] }
	switch n := r.IntN(4); {
	case n == 0:
		return fmt.Sprintf("%s %s (%s, %s, %s)", f.name, [...]string{"in", "not in"}[r.IntN(2)], value(), value(), value())
	case f.name == "comm" && n == 1:
		return "comm contains " + [...]string{"gin", "n", `"\xff"`, "letters"}[r.IntN(4)]
	case f.ordered:
		return f.name + [...]string{"==", "!=", "<", "<=", ">", ">="}[r.IntN(6)] + value()
	}
	return f.name + [...]string{" == ", " != "}[r.IntN(2)] + value()
}

func payload(r *rand.Rand) string {
	p := Pieces[r.IntN(len(Pieces))]
	if r.IntN(2) == 0 {
		return "payload contains " + Quote(p)
	}
	from := [...]int{0, 0, 1, 4, 33, 256 - len(p)}[r.IntN(6)]
	return fmt.Sprintf("payload[%d:%d] %s %s", from, from+len(p), [...]string{"==", "!="}[r.IntN(2)], Quote(p))
}

// Quote writes a string as the language reads it.
func Quote(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\x%02x`, s[i])
	}
	return `"` + b.String() + `"`
}

// Largest are the largest expressions that limits of the language allow: so many
// tests of the payload, and parentheses so deep.
func Largest(payloads, depth int) []string {
	repeat := func(n int, by string, one func(i int) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(by)
			}
			b.WriteString(one(i))
		}
		return b.String()
	}
	number := func(i int) string { return string(rune('a'+i%26)) + string(rune('a'+i/26)) }
	return []string{
		repeat(payloads, " or ", func(i int) string { return `payload contains "sixteen bytes ` + number(i) + `"` }),
		repeat(payloads, " ", func(i int) string { return `payload[240:256] != "` + number(i) + `cdefghijklmnop"` }),
		repeat(50, " or ", func(i int) string { return "comm contains " + number(i) }),
		repeat(40, " and ", func(i int) string { return "addr != ::1:" + number(i%6) }),
		"addr in (" + repeat(60, ",", func(i int) string { return "2001:db8::" + number(i % 6)[:1] }) + ")",
		strings.Repeat("!(", depth/2) + "len > 1 or lat.total > 1ms" + strings.Repeat(")", depth/2),
		repeat(60, " ", func(i int) string { return "lat.total>1ms" }),
	}
}
