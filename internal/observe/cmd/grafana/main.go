// Grafana prints the Grafana dashboard.
package main

import (
	"fmt"
	"os"

	"github.com/ktlstop/ktlstop/internal/observe"
)

func main() {
	out, err := observe.Dashboard()
	if err == nil {
		_, err = os.Stdout.Write(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "grafana:", err)
		os.Exit(1)
	}
}
