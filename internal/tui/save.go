package tui

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
)

// SaveJSON returns a function that writes a snapshot into a new file of dir, for
// the owner's eyes only, since it may hold plaintext.
func SaveJSON(dir string) func(*flow.Snapshot) (string, error) {
	return func(s *flow.Snapshot) (string, error) {
		data, err := json.MarshalIndent(s, "", " ")
		if err != nil {
			return "", fmt.Errorf("encode the snapshot: %w", err)
		}
		f, err := create(dir, "ktlstop-"+s.Wall(s.Mono).UTC().Format("20060102-150405"))
		if err != nil {
			return "", fmt.Errorf("write the snapshot: %w", err)
		}
		_, err = f.Write(append(data, '\n'))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = os.Remove(f.Name()) // half a snapshot is of no use
			return "", fmt.Errorf("write the snapshot: %w", err)
		}
		return f.Name(), nil
	}
}

// create makes a file that was not there.
func create(dir, name string) (*os.File, error) {
	suffix := ""
	for n := 2; ; n++ {
		path := filepath.Join(dir, name+suffix+".json")
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) || n > 99 {
			return f, err
		}
		suffix = "-" + strconv.Itoa(n)
	}
}

// Plain draws one snapshot as it would look on a screen of that size, without
// colours or escapes: for terminals that cannot move a cursor.
func Plain(cfg Config, s *flow.Snapshot, width, height int) string {
	cfg.NoColor = true
	m := New(cfg)
	m.snap, m.width, m.height = s, width, height
	m.refresh()
	return m.frame()
}

// Print draws a snapshot each period as text, one below the other, until done is
// closed: the dashboard for TERM=dumb.
func Print(done <-chan struct{}, cfg Config, show func(string) error, width, height int) error {
	cfg = cfg.withDefaults()
	tick := time.NewTicker(cfg.Period)
	defer tick.Stop()
	for {
		if err := show(Plain(cfg, cfg.Source(), width, height)); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		case <-tick.C:
		}
	}
}
