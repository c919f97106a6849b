// Package conntrack stands in for github.com/mwitkow/go-conntrack, which exporter-toolkit
// brings along for HTTP clients that ktlstop does not have. The original serves
// golang.org/x/net/trace's pages, whose templates make the linker keep each exported method
// that the program could call by its name: four megabytes. What prometheus/common calls is
// here, and dials without being tracked.
package conntrack

import (
	"context"
	"net"
)

// DialContext is net.Dialer.DialContext's type.
type DialContext = func(ctx context.Context, network, address string) (net.Conn, error)

// Option changes how NewDialContextFunc's result dials.
type Option func(*DialContext)

// DialWithDialContextFunc dials by another function.
func DialWithDialContextFunc(dial DialContext) Option { return func(d *DialContext) { *d = dial } }

// DialWithTracing does nothing.
func DialWithTracing() Option { return func(*DialContext) {} }

// DialWithName does nothing.
func DialWithName(string) Option { return func(*DialContext) {} }

// NewDialContextFunc returns a function that dials.
func NewDialContextFunc(options ...Option) DialContext {
	dial := new(net.Dialer).DialContext
	for _, o := range options {
		o(&dial)
	}
	return dial
}
