package ktls

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// For tests of packages that import this one: connections in each mode that this machine has.

// EachMode runs f in every mode that eachMode has. config makes a Config of that mode.
func EachMode(t *testing.T, f func(t *testing.T, config func(*tls.Config) *Config)) {
	eachMode(t, func(t *testing.T, m mode) { f(t, func(c *tls.Config) *Config { return m.config(c) }) })
}

// InSoftAndKernel does so where records leave user space.
func InSoftAndKernel(t *testing.T, f func(t *testing.T, config func(*tls.Config) *Config)) {
	inSoftAndKernel(t, func(t *testing.T, m mode) { f(t, func(c *tls.Config) *Config { return m.config(c) }) })
}

func ServerTLS() *tls.Config                        { return serverConfig() }
func ClientTLS() *tls.Config                        { return clientConfig() }
func RootPool() *x509.CertPool                      { return testPool() }
func Program(t testing.TB, name, pkg string) string { return program(t, name, pkg) }
