package match

import "github.com/ktlstop/ktlstop/pkg/event"

// Subject is what an expression is evaluated on. Parts that are nil are
// unknown.
type Subject struct {
	// Kind is the kind of event, 0 for a subject that is not an event.
	Kind Kind
	// Errno is the error number, 0 if nothing has failed.
	Errno uint32
	Proc  *event.Process
	Conn  *event.Conn
	TLS   *event.TLS
	Dir   *event.Dir
	Type  *event.ContentType
	Seq   *uint64
	// Epoch is that of DTLS.
	Epoch *uint16
	// Record has all other fields.
	Record *event.Record
	// Hits are the kernel's answers to Expr.PayloadTests, one bit each.
	Hits *uint16
	// Host is the host, if there is no Conn.
	Host string
	// Text is further text in which a bare word may be found.
	Text []string
}

// host returns the host of the subject, if there are several.
func (s *Subject) host() (name string, known bool) {
	if s.Conn != nil {
		return s.Conn.Host, true
	}
	return s.Host, s.Host != ""
}

// OfRecord returns the subject of a record.
func OfRecord(r *event.Record) Subject {
	return Subject{Kind: KindRecord, Proc: &r.Proc, Conn: &r.Conn, TLS: &r.TLS, Dir: &r.Dir, Type: &r.Type, Seq: &r.Seq, Epoch: &r.Epoch, Record: r}
}

// OfError returns the subject of an error.
func OfError(e *event.Error) Subject {
	return Subject{Kind: KindError, Errno: e.Errno, Proc: &e.Proc, Conn: &e.Conn, TLS: &e.TLS, Dir: &e.Dir, Type: &e.Type, Seq: &e.Seq}
}

// received is the direction of what is dropped.
var received = event.RX

// OfDrop returns the subject of a dropped record.
func OfDrop(d *event.Drop) Subject {
	return Subject{Kind: KindDropped, Proc: &d.Proc, Conn: &d.Conn, TLS: &d.TLS, Dir: &received, Type: &d.Type, Seq: &d.Seq, Epoch: &d.Epoch}
}

var directions = [...]event.Dir{event.TX, event.RX}

// Either evaluates a connection for each of its directions and returns the better answer.
// dirs are the directions that it has; without any, the direction is unknown. Either sets
// the direction of the subject.
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

// OfSocket evaluates a socket event.
func (e *Expr) OfSocket(s *event.Socket) Answer {
	subject := Subject{Kind: kindOf(s.State), Proc: &s.Proc, Conn: &s.Conn}
	tls := [2]event.TLS{s.TX, s.RX}
	return e.Either(&subject, &tls, [2]bool{s.TX.Mode != event.ModeNone, s.RX.Mode != event.ModeNone})
}
