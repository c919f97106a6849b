package metrics

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// counted are the kinds of counters.
type counted int

const (
	opened      counted = iota // by version and cipher
	closed                     //
	keyUpdates                 // by direction
	alerts                     // by direction, level and description
	failures                   // by direction, errno and function
	setupFailed                // by step and errno
)

// count identifies a counter of a group: its kind, and the values of its labels.
type count struct {
	of      counted
	a, b, c string
}

// maxCounts limits a group's counters: programs and peers choose among known names, but
// these have many combinations.
const maxCounts = 256

// countBy adds to a counter, or to that of all others if the group has many.
func (g *group) countBy(what count, n uint64) {
	if _, ok := g.counts[what]; !ok && len(g.counts) >= maxCounts {
		what = what.folded()
	}
	g.counts[what] += n
}

// folded is a counter with "other" for each label except a direction.
func (c count) folded() count {
	fold := func(label string) string {
		if label == "" || label == event.TX.String() || label == event.RX.String() {
			return label
		}
		return other
	}
	return count{c.of, fold(c.a), fold(c.b), fold(c.c)}
}

// The types of records by which they are counted, besides application data.
const (
	typeAlert = iota
	typeHandshake
	typeCCS
	typeOther
	controlTypes
)

var typeNames = [controlTypes]string{"alert", "handshake", "ccs", other}

func controlType(t event.ContentType) int {
	switch t {
	case event.Alert:
		return typeAlert
	case event.Handshake:
		return typeHandshake
	case event.ChangeCipherSpec:
		return typeCCS
	}
	return typeOther
}

// control is the number of a direction's records other than application data.
func (g *group) control(d event.Dir) (n uint64) {
	for _, of := range g.types[d] {
		n += of
	}
	return n
}

// alertOf is the counter of an alert, by the names of RFC 8446.
func alertOf(r *event.Record) count {
	level, description := unread, unread
	if c := r.Control; c != nil {
		level = known(event.AlertLevel(c.AlertLevel), "level_")
		description = known(event.AlertDescription(c.AlertDescription), "alert_")
	}
	return count{alerts, r.Dir.String(), level, description}
}

// unread is the level and the description of an alert whose bytes were not read: alerts
// that are sent, without stages.
const unread = "unknown"

// known returns a name, or "other" if it is only a number.
func known(name, prefix string) string {
	if name == "" || strings.HasPrefix(name, prefix) {
		return other
	}
	return name
}

// openedAs is the counter for a connection that gets its first key.
func openedAs(t event.TLS) count {
	return count{of: opened, a: orOther(t.Version.String()), b: orOther(t.Cipher.String())}
}

func orOther(name string) string {
	if name == "" {
		return other
	}
	return name
}

// failureOf is the counter for a failure.
func failureOf(e *event.Error) count {
	if step := e.SetupStep(); step != "" {
		return count{of: setupFailed, a: step, b: errno(e.Errno)}
	}
	return count{failures, e.Dir.String(), errno(e.Errno), orOther(clean(safe.String(e.Func)))}
}

func errno(n uint32) string { return orOther(unix.ErrnoName(syscall.Errno(n))) }
