package tui

import (
	"net/netip"
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// subject is what a filter looks at; what a row does not have is nil.
type subject struct {
	proc  *event.Process
	conn  *event.Conn
	tls   []event.TLS
	dirs  [2]string
	kinds [2]string
}

// separator ends each value of a field. No name can hold it.
const separator = 0

// fields are the words of the command line, and what belongs to them. Each
// appends its values, which may be several.
var fields = map[string]func([]byte, *subject) []byte{
	"pid":       ofProcess(func(b []byte, p *event.Process) []byte { return number(b, uint64(p.PID)) }),
	"uid":       ofProcess(func(b []byte, p *event.Process) []byte { return number(b, uint64(p.UID)) }),
	"cgroup":    ofProcess(func(b []byte, p *event.Process) []byte { return number(b, p.CgroupID) }),
	"comm":      ofProcess(func(b []byte, p *event.Process) []byte { return name(b, p.Name()) }),
	"container": ofProcess(func(b []byte, p *event.Process) []byte { return name(b, p.Container) }),
	"netns":     ofConn(func(b []byte, c *event.Conn) []byte { return number(b, uint64(c.NetNS)) }),
	"cookie":    ofConn(func(b []byte, c *event.Conn) []byte { return number(b, c.Cookie) }),
	"port": ofConn(func(b []byte, c *event.Conn) []byte {
		return number(number(b, uint64(c.LPort)), uint64(c.RPort))
	}),
	"addr":    ofConn(func(b []byte, c *event.Conn) []byte { return addr(addr(b, c.RAddr), c.LAddr) }),
	"dir":     func(b []byte, s *subject) []byte { return names(b, s.dirs[:]) },
	"type":    func(b []byte, s *subject) []byte { return names(b, s.kinds[:]) },
	"cipher":  ofTLS(func(t event.TLS) string { return t.Cipher.String() }),
	"version": ofTLS(func(t event.TLS) string { return t.Version.String() }),
	"mode":    ofTLS(func(t event.TLS) string { return t.Mode.String() }),
}

// anywhere are the fields in which a bare word is looked for.
var anywhere = []string{"comm", "pid", "addr", "port", "cipher", "type", "container"}

func ofProcess(f func([]byte, *event.Process) []byte) func([]byte, *subject) []byte {
	return func(b []byte, s *subject) []byte {
		if s.proc == nil {
			return b
		}
		return f(b, s.proc)
	}
}

func ofConn(f func([]byte, *event.Conn) []byte) func([]byte, *subject) []byte {
	return func(b []byte, s *subject) []byte {
		if s.conn == nil {
			return b
		}
		return f(b, s.conn)
	}
}

func ofTLS(f func(event.TLS) string) func([]byte, *subject) []byte {
	return func(b []byte, s *subject) []byte {
		for _, t := range s.tls {
			b = name(b, f(t))
		}
		return b
	}
}

func number(b []byte, v uint64) []byte { return append(strconv.AppendUint(b, v, 10), separator) }

func name(b []byte, s string) []byte { return append(append(b, s...), separator) }

func names(b []byte, list []string) []byte {
	for _, s := range list {
		if s != "" {
			b = name(b, s)
		}
	}
	return b
}

func addr(b []byte, a netip.Addr) []byte { return append(a.AppendTo(b), separator) }

func (f *Filter) matchRow(r *flow.Row) bool {
	s := subject{proc: &r.Proc, conn: &r.Conn, tls: r.TLS[:]}
	for d, n := range r.Totals.Records {
		if n > 0 {
			s.dirs[d] = event.Dir(d).String()
		}
	}
	return f.match(&s)
}

func (f *Filter) matchProc(p *event.Process) bool { return f.match(&subject{proc: p}) }

func (f *Filter) matchRecord(r *event.Record) bool {
	return f.match(&subject{
		proc: &r.Proc, conn: &r.Conn, tls: []event.TLS{r.TLS},
		dirs: [2]string{r.Dir.String()}, kinds: [2]string{r.Type.String(), typeName(r.Type)},
	})
}

func (f *Filter) matchMoment(m *moment) bool {
	return f.match(&subject{proc: m.proc, conn: m.conn, dirs: [2]string{m.dir}, kinds: [2]string{m.kind, m.what}})
}
