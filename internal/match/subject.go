package match

import "github.com/ktlstop/ktlstop/pkg/event"

// Subject is what an expression is evaluated on. Parts that are nil are
// unknown.
type Subject struct {
	// Kind is what kind of event it is, 0 for what is none.
	Kind Kind
	// Errno is what has failed, 0 for nothing.
	Errno uint32
	Proc  *event.Process
	Conn  *event.Conn
	TLS   *event.TLS
	Dir   *event.Dir
	Type  *event.ContentType
	Seq   *uint64
	// Epoch is that of DTLS.
	Epoch *uint16
	// Record has all the rest.
	Record *event.Record
	// Hits are the kernel's answers to Expr.PayloadTests, one bit each.
	Hits *uint16
	// Host is whose it is, where there is no Conn.
	Host string
	// Text is what else a mere word may be found in.
	Text []string
}

// host is whose the subject is, of several hosts.
func (s *Subject) host() (name string, known bool) {
	if s.Conn != nil {
		return s.Conn.Host, true
	}
	return s.Host, s.Host != ""
}

// OfRecord is the subject that a record is.
func OfRecord(r *event.Record) Subject {
	return Subject{Kind: KindRecord, Proc: &r.Proc, Conn: &r.Conn, TLS: &r.TLS, Dir: &r.Dir, Type: &r.Type, Seq: &r.Seq, Epoch: &r.Epoch, Record: r}
}

// OfError is the subject that an error is.
func OfError(e *event.Error) Subject {
	return Subject{Kind: KindError, Errno: e.Errno, Proc: &e.Proc, Conn: &e.Conn, TLS: &e.TLS, Dir: &e.Dir, Type: &e.Type, Seq: &e.Seq}
}

// received is the direction of what is dropped.
var received = event.RX

// OfDrop is the subject that a dropped record is.
func OfDrop(d *event.Drop) Subject {
	return Subject{Kind: KindDropped, Proc: &d.Proc, Conn: &d.Conn, TLS: &d.TLS, Dir: &received, Type: &d.Type, Seq: &d.Seq, Epoch: &d.Epoch}
}

var directions = [...]event.Dir{event.TX, event.RX}

// Either answers for a connection as for the better of its directions. dirs
// says which it has; where it has none, they are unknown. It sets the subject's
// direction.
func (e *Expr) Either(s *Subject, tls *[2]event.TLS, dirs [2]bool) Answer {
	if dirs == [2]bool{} {
		return e.Eval(s)
	}
	best := No
	for d, has := range dirs {
		if has && best != Yes {
			s.Dir, s.TLS = &directions[d], &tls[d]
			best = max(best, e.Eval(s))
		}
	}
	return best
}

// OfSocket answers for a socket event.
func (e *Expr) OfSocket(s *event.Socket) Answer {
	subject := Subject{Kind: kindOf(s.State), Proc: &s.Proc, Conn: &s.Conn}
	tls := [2]event.TLS{s.TX, s.RX}
	return e.Either(&subject, &tls, [2]bool{s.TX.Mode != event.ModeNone, s.RX.Mode != event.ModeNone})
}
