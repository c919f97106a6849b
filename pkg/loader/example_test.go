package loader_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

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
