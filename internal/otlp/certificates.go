package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// file is a file that a variable names.
type file struct{ variable, name string }

// files are PEM files: the authorities for the receiver's certificate, and this side's own
// certificate and key. A name may be empty.
type files struct{ authorities, certificate, key file }

// config reads the files; nil without files, which means the system's authorities.
func (f *files) config() (*tls.Config, error) {
	if f.authorities.name == "" && f.certificate.name == "" {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.authorities.name != "" {
		pem, err := os.ReadFile(f.authorities.name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.authorities.variable, err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %q has no certificate in PEM", f.authorities.variable, f.authorities.name)
		}
	}
	if f.certificate.name != "" {
		pair, err := tls.LoadX509KeyPair(f.certificate.name, f.key.name)
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", f.certificate.variable, f.key.variable, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
