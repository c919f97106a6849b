package otlp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
)

// pemFile writes a block to a file of the test.
func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// selfSigned is a client's certificate and key.
func selfSigned(t *testing.T) (cert *x509.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ktlstop"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return cert, pemFile(t, "CERTIFICATE", der), pemFile(t, "PRIVATE KEY", pkcs8)
}

// A receiver with a certificate that the system does not know, and which requires a client
// certificate.
func TestTLS(t *testing.T) {
	c := startCollector(t, nil)
	client, certFile, keyFile := selfSigned(t)
	pool := x509.NewCertPool()
	pool.AddCert(client)
	server := httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", server.URL+"/v1/logs")

	p, _ := startPush(t, Config{Connections: true})
	opens(p, 0, 1)
	var left *UndeliveredError
	if err := p.Close(); !errors.As(err, &left) {
		t.Errorf("an unknown certificate is accepted: %v", err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", pemFile(t, "CERTIFICATE", server.Certificate().Raw))
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certFile)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", keyFile)
	p, _ = startPush(t, Config{Connections: true})
	opens(p, 0, 1)
	if err := p.Close(); err != nil || len(c.cookies()) != 1 {
		t.Errorf("%v, and %d came", err, len(c.cookies()))
	}
}

// Invalid files are reported at the start, by the variable's name.
func TestWrongFiles(t *testing.T) {
	startCollector(t, nil)
	_, certFile, _ := selfSigned(t)
	for vars, variable := range map[string]string{
		"OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere":                                                          "OTEL_EXPORTER_OTLP_CERTIFICATE",
		"OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE=/dev/null OTEL_METRICS_EXPORTER=none":                         "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY=/nowhere":                                                           "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=" + certFile + " OTEL_EXPORTER_OTLP_CLIENT_KEY=" + certFile: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
	} {
		t.Run(variable, func(t *testing.T) {
			env(t, vars)
			if _, err := Start(Config{Notice: new(reported).tell}); err == nil || !strings.HasPrefix(err.Error(), variable) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	for vars, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318":                                              "http://a:4318/v1/logs",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318/":                                             "http://a:4318/v1/logs",
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://a/otlp/":                                            "https://a/otlp/v1/logs",
		"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://a/insert/logs?x=1":                              "http://a/insert/logs?x=1",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://b OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://a:4318/x/": "http://a:4318/x/",
	} {
		t.Run(vars, func(t *testing.T) {
			env(t, vars)
			if set, err := logsSignal.settings(); err != nil || set.url != want {
				t.Errorf("%+v, %v, want %s", set, err, want)
			}
		})
	}
}

// A failure is reported without the URL's query, which may be a key.
func TestNoSecretInErrors(t *testing.T) {
	for _, host := range []string{"127.0.0.1:1", "[::1"} {
		c, err := newClient(&settings{url: "http://" + host + "/v1/logs?api_key=SECRET", header: http.Header{}, timeout: time.Second}, "1")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.send(t.Context(), &logs.LogsData{}); err == nil || strings.Contains(err.Error(), "SECRET") || !passing(err) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "99999999999999999999": 0, "999999": time.Hour, "soon": 0, "1.5": 0} {
		if got := retryAfter(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
	if got := retryAfter(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)); got < 50*time.Second || got > time.Minute {
		t.Errorf("in a minute is in %v", got)
	}
	if got := wait(&AnswerError{Status: 503, After: time.Hour}, time.Second); got != maxAgain {
		t.Errorf("a receiver that asks for an hour gets %v", got)
	}
	if got := wait(io.EOF, time.Second); got != time.Second {
		t.Errorf("without a wish: %v", got)
	}
}

// No response causes a panic, or more rejected records than it says.
func FuzzPartialSuccess(f *testing.F) {
	f.Add(partialAnswer(3, "why"))
	f.Add(partialAnswer(-1, ""))
	f.Add([]byte{0x0a})
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		rejected, message, err := partialSuccess(b)
		if rejected > 1<<63-1 || len(message) > len(b) {
			t.Errorf("%d, %q, %v", rejected, message, err)
		}
	})
}
