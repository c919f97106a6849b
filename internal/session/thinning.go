package session

import (
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// thinAfter: sampling has ended when no record represented others for so long.
const thinAfter = time.Second

// thinning reports when automatic sampling begins to skip records, and when it ends.
type thinning struct {
	report func(string)
	why    string
	last   time.Time // when a record came last that stands for others; zero if sampling is over
	out    uint64    // left out since it began
}

// newThinning returns a thinning that reports to people. A cost limit skips records as well,
// and no event has the reason.
func newThinning(tell func(string), costLimited bool) *thinning {
	why := "the event ring is more than half full"
	if costLimited {
		why += ", or the programs take more of a processor than they may"
	}
	return &thinning{report: tell, why: why}
}

// addSkipped notes that n records were skipped.
func (t *thinning) addSkipped(n uint64, now time.Time) {
	if t == nil || n == 0 {
		return
	}
	if t.last.IsZero() {
		t.report(t.why + ": from here on only some ordinary records are reported")
	}
	t.last = now
	t.out += n
}

// check reports the end of sampling when it has ended.
func (t *thinning) check(now time.Time) {
	if t == nil || t.last.IsZero() || now.Sub(t.last) < thinAfter {
		return
	}
	t.report(fmt.Sprintf("every ordinary record is reported again; %d were left out", t.out))
	t.last, t.out = time.Time{}, 0
}

// addSkipped counts the records that sampling skipped, of which the next record of the
// connection or its end has the number.
func (p *pipeline) addSkipped(conn uint64, d event.Dir, n uint64) {
	if n == 0 {
		return
	}
	p.thin.addSkipped(n, time.Now())
	p.totals.Sampled[d&1] += n
	p.tally(conn).Sampled[d&1] += n
}

// sampledOf counts the skipped records of a connection that no record represents. The number
// is final at the connection's end.
func (p *pipeline) sampledOf(s *event.Socket) {
	if s.State != event.SocketClose {
		s.Skipped = [2]uint64{}
		return
	}
	for d, n := range s.Skipped {
		p.addSkipped(s.Conn.ID, event.Dir(d), n)
		p.skipped[d] += n
	}
}
