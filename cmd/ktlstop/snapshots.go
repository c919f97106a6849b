package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ktlstop/ktlstop/pkg/loader"
)

// print writes a snapshot each interval as a line of JSON, and a last one when
// the hooks are gone, which holds every record.
func (w *watch) print(ctx context.Context, out io.Writer, interval, d time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	traced := make(chan error, 1)
	go func() { traced <- w.run(ctx, d) }()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case err := <-traced:
			var cost *loader.CostError
			if err != nil && !errors.As(err, &cost) {
				return err
			}
			return errors.Join(w.line(out), err)
		case <-tick.C:
			if err := w.line(out); err != nil {
				cancel()
				<-traced
				return err
			}
		}
	}
}

func (w *watch) line(out io.Writer) error {
	b, err := json.Marshal(w.snapshot())
	if err != nil {
		return fmt.Errorf("encode the snapshot: %w", err)
	}
	if _, err := out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write the snapshot to standard output: %w", err)
	}
	return w.idle()
}
