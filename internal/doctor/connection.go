package doctor

import (
	"cmp"
	"slices"
	"time"

	"github.com/ktlstop/ktlstop/internal/doctor/hello"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Direction is the known state of one direction of a connection.
type Direction struct {
	Mode event.Mode
	// Asked: a key was seen being set, and Errno is the kernel's answer, 0 for success.
	Asked bool
	Errno uint32
}

// unknown: the kernel may have it, but nothing showed that.
func (c *Connection) unknown(d *Direction) bool {
	return !d.On() && !d.Asked && (c.mayMissULP || c.mayMissKeys)
}

// On reports whether the kernel, or the network card, has the direction.
func (d *Direction) On() bool { return d.Mode != event.ModeNone }

// Connection is all that is known of a connection, joined from sockets and observed
// events.
type Connection struct {
	Ends
	Process *Process // nil if it is not known
	PID     int
	Comm    string
	// Client and Server are the hellos that were seen. IsServer: this end sent the
	// ServerHello, or received the ClientHello.
	Client, Server *hello.Hello
	IsServer       bool
	// ULP is the socket's upper layer protocol; ULPErrno is the kernel's answer to the
	// request for it, if that was seen (ULPAsked).
	ULP      string
	ULPAsked bool
	ULPErrno uint32
	// MPTCP: the request came from an MPTCP socket.
	MPTCP  bool
	TX, RX Direction
	// Version and Cipher are those of the keys.
	Version event.Version
	Cipher  event.Cipher
	// Device is the network card's answer, if it was asked.
	Device      bool
	DeviceErrno uint32
	// Silent is how long ago the ServerHello passed when the watch ended, and Unanswered how
	// long ago the ClientHello did, if no ServerHello was seen.
	Silent, Unanswered time.Duration
	// mayMissULP and mayMissKeys: the connection may have made such a request unseen.
	// For a socket in the kernel's list, the kernel reports what it has.
	mayMissULP, mayMissKeys bool
	// Why are the ids of the findings about the connection.
	Why []string
}

// TLSVersion is the version of the keys, or the one that the server chose; 0 if neither
// is known.
func (c *Connection) TLSVersion() event.Version {
	if c.Version != 0 {
		return c.Version
	}
	if c.Server != nil {
		return event.Version(c.Server.Version)
	}
	return 0
}

// CipherName is the kernel's name of the cipher, or the name of the suite if the kernel
// has no such cipher; "" if it is not known.
func (c *Connection) CipherName() string {
	if name := c.Cipher.String(); name != "" {
		return name
	}
	if c.Server == nil {
		return ""
	}
	return cmp.Or(hello.Cipher(c.Server.Suite), hello.SuiteName(c.Server.Suite))
}

// joiner makes connections.
type joiner struct {
	facts *Facts
	byKey map[connKey]*Connection
	all   []*Connection
}

// connKey is a socket's cookie, or its addresses if the cookie is not known.
type connKey struct {
	cookie uint64
	ends   Ends
}

// join makes connections from the facts: from sockets related to TLS, and from all
// observed events.
func join(f *Facts) []*Connection {
	j := joiner{facts: f, byKey: map[connKey]*Connection{}}
	for i := range f.Requests {
		j.addRequest(&f.Requests[i])
	}
	for i := range f.Hellos {
		j.hello(&f.Hellos[i])
	}
	for i := range f.Sockets {
		j.socket(&f.Sockets[i])
	}
	slices.SortStableFunc(j.all, func(a, b *Connection) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), a.Local.Compare(b.Local), a.Remote.Compare(b.Remote))
	})
	return j.all
}

func (j *joiner) of(cookie uint64, ends Ends) *Connection {
	key := connKey{cookie: cookie}
	if cookie == 0 {
		key.ends = ends
	}
	c := j.byKey[key]
	if c == nil { // its cookie may not have been known yet
		c = j.byKey[connKey{ends: ends}]
		j.byKey[key] = c
	}
	if c == nil {
		c = &Connection{Ends: ends, mayMissULP: j.facts.MayMissULP, mayMissKeys: j.facts.MayMissKeys}
		j.byKey[key] = c
		j.all = append(j.all, c)
	}
	if ends.Remote.IsValid() && ends.Remote.Port() != 0 { // it made requests before it was connected
		c.Ends = ends
	}
	return c
}

// newest stands for the start time of the last process with a number.
const newest = ^uint64(0)

func (j *joiner) owner(c *Connection, pid int, started uint64, comm string) {
	if pid == 0 {
		return
	}
	c.PID, c.Comm, c.Process = pid, comm, nil
	for i := range j.facts.Processes { // in order of time
		if p := &j.facts.Processes[i]; p.PID == pid && (p.Started == started || started == newest) {
			c.Process, c.Comm = p, p.Comm
		}
	}
}

func (j *joiner) addRequest(a *Request) {
	c := j.of(a.Cookie, a.Ends)
	j.owner(c, a.PID, a.Started, a.Comm)
	switch {
	case a.Device:
		c.Device, c.DeviceErrno = true, a.Errno
	case a.Option == event.OptionULP:
		c.ULPAsked, c.ULPErrno, c.MPTCP = true, a.Errno, a.MPTCP
		if a.Errno == 0 {
			c.ULP = "tls"
		}
	case a.Option == event.OptionTX:
		c.key(&c.TX, a)
	case a.Option == event.OptionRX:
		c.key(&c.RX, a)
	}
}

// key adds a key. If the kernel refuses a second key, the first one stays.
func (c *Connection) key(d *Direction, a *Request) {
	d.Asked, d.Errno = true, a.Errno
	if a.Errno == 0 || !d.On() {
		c.Version, c.Cipher = a.Version, a.Cipher
	}
	if a.Errno == 0 {
		c.ULP = "tls"
		d.Mode = event.ModeSW
		if c.Device && c.DeviceErrno == 0 {
			d.Mode = event.ModeHW
		}
	}
}

func (j *joiner) hello(h *Hello) {
	c := j.of(h.Cookie, h.Ends)
	j.owner(c, h.PID, h.Started, h.Comm)
	c.IsServer = h.Server == h.Sent
	if !h.Server {
		c.Client = &h.Hello
		if c.Server == nil {
			c.Unanswered = j.facts.Watched - h.At
		}
		return
	}
	c.Server, c.Unanswered = &h.Hello, 0
	c.Silent = j.facts.Watched - h.At
}

// socket adds a socket that has an upper layer protocol, or that observed events belong
// to. Other sockets may use TLS too, but nothing shows it.
func (j *joiner) socket(s *Socket) {
	if s.Listen || s.Closed {
		return
	}
	seen := j.byKey[connKey{cookie: s.Cookie}] != nil || j.byKey[connKey{ends: s.Ends}] != nil
	if s.ULP != "tls" && !seen && !(s.ULP == "mptcp" && j.hasTLS(s.PIDs)) {
		return
	}
	c := j.of(s.Cookie, s.Ends)
	if len(s.PIDs) > 0 && c.PID == 0 {
		j.owner(c, s.PIDs[0], newest, "")
	}
	c.ULP, c.mayMissULP, c.mayMissKeys = cmp.Or(s.ULP, c.ULP), false, false
	if s.ULP != "tls" {
		return
	}
	c.TX.Mode, c.RX.Mode = s.TX, s.RX
	c.Version, c.Cipher = cmp.Or(s.Version, c.Version), cmp.Or(s.Cipher, c.Cipher)
}

func (j *joiner) hasTLS(pids []int) bool {
	return slices.ContainsFunc(j.facts.Processes, func(p Process) bool {
		return len(p.Libraries) > 0 && slices.Contains(pids, p.PID)
	})
}
