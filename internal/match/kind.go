package match

import (
	"strings"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Kind is what kind of event a subject is: the field "event".
type Kind uint8

// The kinds of events. Those of sockets are their states.
const (
	KindRecord Kind = iota + 1
	KindError
	KindDropped
	// kindSocket is before the first state.
	kindSocket
)

func kindOf(s event.SocketState) Kind { return kindSocket + Kind(s) }

func eventWords() map[string][]uint64 {
	words := map[string][]uint64{"record": {uint64(KindRecord)}, "error": {uint64(KindError)}, "dropped": {uint64(KindDropped)}}
	for s := event.SocketFound; s <= event.SocketCard; s++ {
		n := uint64(kindOf(s))
		words[s.String()] = []uint64{n}
		words["socket"] = append(words["socket"], n)
	}
	return words
}

// Of evaluates e on any event. For an event without a connection, such as a loss or a
// summary, only its kind is known.
func (e *Expr) Of(ev event.Event) Answer {
	var s Subject
	switch ev := ev.(type) {
	case *event.Record:
		s = OfRecord(ev)
	case *event.Error:
		s = OfError(ev)
	case *event.Drop:
		s = OfDrop(ev)
	case *event.Socket:
		return e.OfSocket(ev)
	default:
		return No
	}
	return e.Eval(&s)
}

// errnoWords are the names of error numbers, of which the kernel's own end below 600.
func errnoWords() map[string][]uint64 {
	words := map[string][]uint64{}
	for n := range uint32(600) {
		if s := event.ErrnoName(n); !strings.HasPrefix(s, "errno_") {
			words[strings.ToLower(s)] = []uint64{uint64(n)}
		}
	}
	return words
}
