package session

import (
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// thinAfter is how long no record must stand for others until sampling is over.
const thinAfter = time.Second

// thinning tells when --sample auto begins to leave records out, and when it ends.
type thinning struct {
	report func(string)
	why    string
	last   time.Time // when a record came last that stands for others; zero if sampling is over
	out    uint64    // left out since it began
}

// newThinning tells people. A limit of cost leaves records out as well, and no
// event says for which of the two reasons.
func newThinning(tell func(string), costLimited bool) *thinning {
	why := "the event ring is more than half full"
	if costLimited {
		why += ", or the programs take more of a processor than they may"
	}
	return &thinning{report: tell, why: why}
}

// addSkipped is told of n records that were left out.
func (t *thinning) addSkipped(n uint64, now time.Time) {
	if t == nil || n == 0 {
		return
	}
	if t.last.IsZero() {
		t.report(t.why + ": of ordinary records only some are told from here on")
	}
	t.last = now
	t.out += n
}

// check ends what is over.
func (t *thinning) check(now time.Time) {
	if t == nil || t.last.IsZero() || now.Sub(t.last) < thinAfter {
		return
	}
	t.report(fmt.Sprintf("every ordinary record is told again; %d were left out", t.out))
	t.last, t.out = time.Time{}, 0
}

// addSkipped counts what sampling left out of a connection, and its next record or
// its end tells.
func (p *pipeline) addSkipped(conn uint64, d event.Dir, n uint64) {
	if n == 0 {
		return
	}
	p.thin.addSkipped(n, time.Now())
	p.totals.Sampled[d&1] += n
	p.tally(conn).Sampled[d&1] += n
}

// sampledOf counts what sampling has left out of a connection and no record
// stands for, which is final at the end only.
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
