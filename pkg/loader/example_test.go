package loader_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// Print the large records of one port until the user interrupts.
func Example() {
	match, err := loader.ParseMatch("len > 1000")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t, err := loader.Open(ctx, loader.Config{Filter: loader.Filter{Port: 443}, Match: match})
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	err = t.Run(ctx, func(e event.Event) error {
		if r, ok := e.(*event.Record); ok && !r.Unmatched {
			fmt.Println(r.Dir, r.Seq, r.Len)
		}
		return nil
	}, nil)
	if err != nil {
		log.Print(err)
	}
}

// Print the totals of each connection once a second, by the sums that the kernel keeps.
func ExampleTracer_Samples() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t, err := loader.Open(ctx, loader.Config{Aggregate: true})
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	show := func(s *event.Sample) {
		fmt.Println(s.Conn.RAddr, s.Conn.RPort, s.Totals.Records, s.Final)
	}
	next := time.Now()
	err = t.Run(ctx, func(event.Event) error { return nil }, func() error {
		if time.Now().Before(next) {
			return nil
		}
		next = next.Add(time.Second)
		return t.Samples(show)
	})
	if err == nil {
		err = t.Samples(show) // with the records that were unfinished
	}
	if err != nil {
		log.Print(err)
	}
}

// Print which programs request kernel TLS, and what the kernel answers.
func ExampleOpenWatch() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	w, err := loader.OpenWatch(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	dropped, err := w.Run(ctx, func(o *event.Observation) {
		switch {
		case o.Option == 0: // a message of a handshake
		case o.Errno == 0:
			fmt.Println(o.Proc.PID, o.Option, "accepted")
		default:
			fmt.Println(o.Proc.PID, o.Option, event.ErrnoName(o.Errno))
		}
	})
	if err != nil {
		log.Print(err)
	}
	if dropped > 0 {
		log.Print("observations without room: ", dropped)
	}
}
