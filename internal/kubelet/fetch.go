package kubelet

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	// requestTimeout limits a whole request.
	requestTimeout = 10 * time.Second
	// maxAnswer limits the list in bytes: 500 pods of 20 kB are 10 MB.
	maxAnswer = 64 << 20
	// maxFile limits tokens and certificates.
	maxFile = 1 << 20
)

// StatusError is an HTTP response other than a list of pods.
type StatusError struct{ Code int }

func (e *StatusError) Error() string {
	switch e.Code {
	case http.StatusUnauthorized:
		return "the kubelet does not know the token (401)"
	case http.StatusForbidden:
		return "the kubelet does not let this account read pods (403): it needs the verb get on nodes/pods, or on nodes/proxy before Kubernetes 1.33"
	}
	return fmt.Sprintf("the kubelet answers with status %d %s", e.Code, http.StatusText(e.Code))
}

// CertificateError reports a kubelet that could not prove its identity.
type CertificateError struct{ err error }

func (e *CertificateError) Error() string {
	return "the kubelet's certificate is not to be trusted: " + e.err.Error()
}

func (e *CertificateError) Unwrap() error { return e.err }

// fetch makes one request.
func (p *Pods) fetch(ctx context.Context) (map[string]*pod, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := p.request(ctx)
	if err != nil {
		return nil, err
	}
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, classify(err)
	}
	defer answer.Body.Close() // it was only read
	if answer.StatusCode != http.StatusOK {
		return nil, &StatusError{answer.StatusCode}
	}
	pods, more, err := decode(&bounded{answer.Body, maxAnswer})
	if err != nil {
		return nil, fmt.Errorf("read the kubelet's pods: %w", err)
	}
	if more > 0 && p.cfg.Notice != nil {
		p.limitOnce.Do(func() {
			p.cfg.Notice(fmt.Sprintf("the kubelet tells of %d pods more than the %d that are kept: those have no names", more, maxPods))
		})
	}
	return pods, nil
}

func (p *Pods) request(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.cfg.URL, "/")+"/pods", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	if p.cfg.TokenFile == "" || r.URL.Scheme != "https" {
		return r, nil
	}
	token, err := readFile(p.cfg.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token for the kubelet: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	return r, nil
}

// client is made anew for each request, since certificates change too. It does not
// follow redirects with the token, and uses no proxy.
func (p *Pods) client() (*http.Client, error) {
	config := &tls.Config{InsecureSkipVerify: p.cfg.Insecure}
	if p.cfg.CAFile != "" && !p.cfg.Insecure {
		pem, err := readFile(p.cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificates for the kubelet: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate (PEM)", p.cfg.CAFile)
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
			DialContext: (&net.Dialer{Timeout: requestTimeout / 2}).DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// classify turns the error of a failed request into the one that is reported.
func classify(err error) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return &CertificateError{certificate.Err}
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the kubelet does not answer within %v", requestTimeout)
	}
	return fmt.Errorf("ask the kubelet: %w", err)
}

// bounded fails if there are more than left bytes.
type bounded struct {
	io.Reader
	remaining int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.remaining <= 0 {
		return 0, fmt.Errorf("it goes on after %d MiB", maxAnswer>>20)
	}
	n, err := b.Reader.Read(p[:min(len(p), b.remaining)])
	b.remaining -= n
	return n, err
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return text, err
}
