package match

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Answer is the result of an expression for a subject.
type Answer int8

// The answers. Maybe: the result depends on fields that the subject does not know.
const (
	No Answer = iota - 1
	Maybe
	Yes
)

func answer(b bool) Answer {
	if b {
		return Yes
	}
	return No
}

// Eval evaluates e on s. A comparison with a field that a record does not have (a latency
// that was not seen, the alert of a record that is not an alert, bytes past the end) is
// false. A comparison with a field that is unknown because s is not a record is Maybe.
func (e *Expr) Eval(s *Subject) Answer {
	if e == nil || e.Root == nil {
		return Yes
	}
	return e.Root.eval(s)
}

func (a *And) eval(s *Subject) Answer {
	all := Yes
	for _, x := range a.X {
		if all = min(all, x.eval(s)); all == No {
			break
		}
	}
	return all
}

func (o *Or) eval(s *Subject) Answer {
	any := No
	for _, x := range o.X {
		if any = max(any, x.eval(s)); any == Yes {
			break
		}
	}
	return any
}

func (n *Not) eval(s *Subject) Answer { return -n.X.eval(s) }

func (t *Test) eval(s *Subject) Answer {
	switch infos[t.Field].kind {
	case text:
		return t.evalText(s)
	case address:
		return t.evalAddress(s)
	case payload:
		return t.evalPayload(s)
	}
	v, n, state := s.numbers(t.Field)
	if state != present {
		return state.answer()
	}
	if t.Op == NotIn {
		return answer(!slices.ContainsFunc(v[:n], t.holds))
	}
	return answer(slices.ContainsFunc(v[:n], t.holds))
}

// holds compares one number; for != it reports whether it is one of the values.
func (t *Test) holds(v uint64) bool {
	c := cmp.Compare(t.rank(v), t.Nums[0])
	switch t.Op {
	case Less:
		return c < 0
	case LessEqual:
		return c <= 0
	case Greater:
		return c > 0
	case GreaterEqual:
		return c >= 0
	}
	return slices.Contains(t.Nums, v)
}

// rank returns a number for comparisons by order. DTLS counts its versions down: DTLS 1.2
// ranks like TLS 1.2, whose cryptography it has. order ranks the numbers of a test in the
// same way.
func (t *Test) rank(v uint64) uint64 {
	if infos[t.Field].kind == version && event.Version(v).IsDTLS() {
		return 0x0303
	}
	return v
}

// order replaces the numbers of a comparison by order with their ranks: the compiler for the
// kernel does not know ranks, and sees no DTLS.
func (t *Test) order() {
	switch t.Op {
	case Less, LessEqual, Greater, GreaterEqual:
		for i := range t.Nums {
			t.Nums[i] = t.rank(t.Nums[i])
		}
	}
}

func (t *Test) evalText(s *Subject) Answer {
	var one, other string
	switch host, known := s.host(); {
	case t.Field == Host && known:
		one = host
	case t.Field == KernelUser && s.Conn != nil:
		one = s.Conn.KernelUser
	case t.Field == KernelUser && s.Proc != nil && s.Proc.KernelUser() != "": // a sum of its connections
		one = s.Proc.KernelUser()
	case t.Field == Host || t.Field == KernelUser || s.Proc == nil:
		return Maybe
	default:
		one, other = texts(s.Proc, t.Field)
	}
	switch {
	case one == "" && other == "":
		return No
	case t.Op == Contains:
		return answer(strings.Contains(one, t.Texts[0]) || strings.Contains(other, t.Texts[0]))
	case t.Op == NotIn:
		return answer(!t.isOf(one) && !t.isOf(other))
	}
	return answer(t.isOf(one) || t.isOf(other))
}

// isOf reports whether v is not empty and is one of the texts of t.
func (t *Test) isOf(v string) bool { return v != "" && slices.Contains(t.Texts, v) }

// texts returns the values of a field: a container has an id and, in Kubernetes, a name; all
// others have one value.
func texts(p *event.Process, f Field) (one, other string) {
	if f == Comm {
		return p.Comm.String(), ""
	}
	if p.Place == nil {
		return "", ""
	}
	switch f {
	case Unit:
		return p.Place.Unit, ""
	case Namespace:
		return p.Place.Namespace, ""
	case Pod:
		return p.Place.Pod, ""
	}
	return p.Place.Container, p.Place.ContainerName
}

func (t *Test) evalAddress(s *Subject) Answer {
	if s.Conn == nil {
		return Maybe
	}
	in := func(a netip.Addr) bool {
		return slices.ContainsFunc(t.Nets, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
	}
	l, r := s.Conn.LAddr, s.Conn.RAddr
	switch {
	case !l.IsValid():
		return No
	case t.Field == LAddr:
		return answer(in(l) == (t.Op == In))
	case t.Field == RAddr:
		return answer(in(r) == (t.Op == In))
	}
	return answer((in(l) || in(r)) == (t.Op == In))
}

// evalPayload uses the result of the kernel if there is one, and otherwise the plaintext that
// has left the kernel.
func (t *Test) evalPayload(s *Subject) Answer {
	if s.Record == nil {
		return Maybe
	}
	if s.Hits != nil {
		return answer(*s.Hits>>t.Index&1 != 0)
	}
	b := s.Record.Payload[:min(len(s.Record.Payload), Window)]
	whole := len(b) == min(int(s.Record.Len), Window)
	if t.To > 0 {
		return t.evalSlice(b, whole)
	}
	if bytes.Contains(b, []byte(t.Texts[0])) {
		return Yes
	}
	return unless(whole)
}

func (t *Test) evalSlice(b []byte, whole bool) Answer {
	if len(b) < t.To {
		return unless(whole)
	}
	return answer(slices.Contains(t.Texts, string(b[t.From:t.To])) == (t.Op == In))
}

// unless returns the answer if something was not found: No if everything was searched,
// Maybe if not.
func unless(whole bool) Answer {
	if whole {
		return No
	}
	return Maybe
}

// state is whether a subject has a field.
type state uint8

const (
	present state = iota
	absent        // a record that does not have it
	unknown       // something that cannot have it
)

func (s state) answer() Answer {
	if s == unknown {
		return Maybe
	}
	return No
}
