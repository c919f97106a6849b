package facts

import (
	"fmt"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// maxKnown limits how many processes a ProcessReader remembers, maxWaiting how many wait for it.
const (
	maxKnown   = 10_000
	maxWaiting = 256
)

// ProcessReader examines processes while they exist, concurrently with its caller: searching a
// program can take seconds, and the caller reads a ring that fills up meanwhile.
type ProcessReader struct {
	reader *Reader
	look   func(pid int) (doctor.Process, error)
	queue  chan who
	done   chan struct{}
	// queued and missed belong to the caller, known to the goroutine, until done.
	queued, missed map[who]bool
	known          []doctor.Process
}

// who identifies a process by start time too, since numbers are used again.
type who struct {
	pid     int
	started uint64
}

// NewProcessReader starts the goroutine. Until End returns, nothing else may use the reader.
func NewProcessReader(r *Reader) *ProcessReader {
	l := &ProcessReader{reader: r, queue: make(chan who, maxWaiting), done: make(chan struct{}), queued: map[who]bool{}, missed: map[who]bool{}}
	l.look = func(pid int) (doctor.Process, error) { return r.Process(pid, true) }
	go l.run()
	return l
}

// Enqueue queues a process to be examined, once. It returns the process's start time, 0 if it is
// gone.
func (l *ProcessReader) Enqueue(pid int) (started uint64) {
	w := who{pid, l.reader.Started(pid)}
	if w.started == 0 || l.queued[w] {
		return w.started
	}
	if len(l.queued) < maxKnown {
		select {
		case l.queue <- w:
			l.queued[w] = true
			delete(l.missed, w)
			return w.started
		default:
		}
	}
	if len(l.missed) < maxKnown {
		l.missed[w] = true
	}
	return w.started
}

func (l *ProcessReader) run() {
	defer close(l.done)
	for w := range l.queue {
		p, err := l.look(w.pid)
		if p.Started != w.started || err != nil && p.Comm == "" {
			continue // it is gone
		}
		l.known = append(l.known, p)
	}
}

// End returns the processes found. It reports to notSeen those that found no room.
func (l *ProcessReader) End(notSeen *[]string) []doctor.Process {
	close(l.queue)
	<-l.done
	if n := len(l.missed); n > 0 {
		*notSeen = append(*notSeen, fmt.Sprintf("libraries and configuration of %s, for want of room", processes(n)))
	}
	return l.known
}
