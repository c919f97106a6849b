package sink

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// ErrEnough is the error of a sink that has written Rotation.Count files.
var ErrEnough = errors.New("as many files as there may be are written")

// Rotation selects when a capture continues in another file, like -C, -W and -G of tcpdump.
type Rotation struct {
	// Bytes begins a new file before a packet when the current one is larger;
	// 0 is no limit. A number follows the name of each file but the first.
	Bytes int64
	// Count, with Bytes, is the number of files: the oldest is overwritten, and all
	// names have a number. With Period alone, the capture ends after Count files.
	Count int
	// Period begins a new file when the current one is older; 0 is no limit.
	// The name is a format of strftime(3).
	Period time.Duration
	// Location is the time zone of the names; UTC if nil.
	Location *time.Location
}

// Files is a capture's file, or a row of them. Names are counted from Rotation.
type Files struct {
	create func(name string) (io.WriteCloser, error)
	name   string
	rot    Rotation
	queue  QueueConfig
	head   []byte // begins a file

	q      *Queue
	size   int64 // of the present file
	begun  time.Time
	base   string // the present period's name, without a number
	number int
	made   int
}

// NewFiles returns the files of a capture. create opens one of them. One queue writes all of
// them.
func NewFiles(name string, rot Rotation, queue QueueConfig, create func(name string) (io.WriteCloser, error)) (*Files, error) {
	if rot.Location == nil {
		rot.Location = time.UTC
	}
	if rot.Period > 0 {
		if err := CheckFormat(name); err != nil {
			return nil, err
		}
	}
	return &Files{create: create, name: name, rot: rot, queue: queue}, nil
}

// CheckFormat returns an error if a file name is not a valid format of time.
func CheckFormat(name string) error {
	_, err := strftime(name, time.Time{})
	return err
}

// Queue returns the queue that writes all files; nil before the first.
func (f *Files) Queue() *Queue { return f.q }

// put writes the packets of one event, all or none of them, into the file of their time.
func (f *Files) put(now time.Time, unit []byte, rank Rank) (accepted bool, err error) {
	if !f.q.Fits(len(f.head)+len(unit), rank) {
		return false, f.q.Flush()
	}
	if err := f.rotate(now); err != nil {
		return false, err
	}
	if accepted, err = f.q.Put(unit, rank); accepted {
		f.size += int64(len(unit))
	}
	return accepted, err
}

// rotate begins the file that a packet of this time belongs to.
func (f *Files) rotate(now time.Time) error {
	old := f.rot.Period > 0 && now.Sub(f.begun) >= f.rot.Period
	large := f.rot.Bytes > 0 && f.size > f.rot.Bytes
	if !old && !large {
		return nil
	}
	if f.rot.Bytes == 0 && f.rot.Count > 0 && f.made >= f.rot.Count {
		return ErrEnough
	}
	if old {
		return f.open(now)
	}
	f.number++
	if f.rot.Count > 0 && f.rot.Period == 0 {
		f.number %= f.rot.Count
	}
	return f.begin()
}

// open begins a period.
func (f *Files) open(now time.Time) (err error) {
	f.base, f.begun, f.number = f.name, now, 0
	if f.rot.Period > 0 {
		if f.base, err = strftime(f.name, now.In(f.rot.Location)); err != nil {
			return err
		}
	}
	return f.begin()
}

// begin makes the file of the present period and number. The first is made at
// once, the others when the queue comes to them.
func (f *Files) begin() error {
	name := f.path()
	f.made++
	f.size = int64(len(f.head))
	if f.q != nil {
		f.q.Then(func() (io.WriteCloser, error) { return f.create(name) })
	} else if err := f.first(name); err != nil {
		return err
	}
	_, err := f.q.Put(f.head, Last)
	return err
}

func (f *Files) first(name string) error {
	w, err := f.create(name)
	if err != nil {
		return err
	}
	f.q = NewQueue(w, f.queue)
	return nil
}

func (f *Files) path() string {
	if f.rot.Bytes == 0 || f.number == 0 && f.rot.Count == 0 {
		return f.base
	}
	digits := 1
	if f.rot.Count > 0 {
		digits = len(strconv.Itoa(f.rot.Count - 1))
	}
	return fmt.Sprintf("%s%0*d", f.base, digits, f.number)
}
