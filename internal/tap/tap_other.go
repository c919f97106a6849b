//go:build !linux

package tap

import (
	"errors"

	"github.com/ktlstop/ktlstop/pkg/event"
)

var errLinux = errors.New("it needs Linux")

// Filter is a socket filter, of which there is none here.
type Filter func(fd int) error

// ParseClassic returns an error: only Linux attaches what tcpdump -ddd prints.
func ParseClassic(string) ([]struct{}, error) { return nil, errLinux }

// Classic is for what ParseClassic returns.
func Classic([]struct{}) Filter { return nil }

// NamespaceNumber returns an error.
func NamespaceNumber(string) (uint32, error) { return 0, errLinux }

// Gate is what NewGate returns where it can.
type Gate struct{}

// NewGate returns an error.
func NewGate(Filter) (*Gate, error) { return nil, errLinux }

// Pass lets everything through.
func (*Gate) Pass(event.Event) (bool, error) { return true, nil }

// Forgotten is 0.
func (*Gate) Forgotten() uint64 { return 0 }

// Close does nothing.
func (*Gate) Close() error { return nil }
