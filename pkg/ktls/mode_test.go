package ktls

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

// mode is who makes the records of a test's connections.
type mode struct {
	name   string
	policy Policy
	soft   bool // the test's own record layer
	rekeys func() bool
}

func yes() bool { return true }
func no() bool  { return false }

var (
	inUser    = mode{name: "user", policy: Never, rekeys: no}
	inSoft    = mode{name: "soft", policy: Require, soft: true, rekeys: yes}
	inSoftOld = mode{name: "soft-old", policy: Require, soft: true, rekeys: no}
	inKernel  = mode{name: "kernel", policy: Require, rekeys: kernelRekeys}
)

// eachMode runs f in every mode. What needs kernel TLS is skipped where there is none; what
// does not is left to other machines by a guest, which is slow.
func eachMode(t *testing.T, f func(t *testing.T, m mode)) {
	modes := []mode{inUser, inSoft, inSoftOld, inKernel}
	if inGuest() {
		modes = []mode{inKernel}
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			if m.name == inKernel.name {
				needKernel(t)
			}
			f(t, m)
		})
	}
}

// config is one with the mode's policy, which each change then changes.
func (m mode) config(t *tls.Config, changes ...func(*Config)) *Config {
	c := &Config{TLS: t, Policy: m.policy}
	if m.soft {
		c.attach = newSoftSocket(m.rekeys())
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

func (m mode) client(conn net.Conn, config *tls.Config, changes ...func(*Config)) *Conn {
	return Client(conn, m.config(config, changes...))
}

func (m mode) server(conn net.Conn, config *tls.Config, changes ...func(*Config)) *Conn {
	return Server(conn, m.config(config, changes...))
}

// offloaded reports whether the mode's connections leave user space.
func (m mode) offloaded() bool { return m.policy == Require }

// inGuest reports whether a test runs on a stock kernel, where nothing may be skipped.
func inGuest() bool { return ktlstest.InGuest() }

// needKernel skips a test where the kernel has no TLS, except in a guest, where that is a
// failure.
func needKernel(t testing.TB) {
	t.Helper()
	ktlstest.NeedKernel(t, Available)
}
