package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// users is a configuration with one, whose password is "secret".
var users = func() string {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	return "basic_auth_users:\n  alice: " + string(hash) + "\n"
}()

func webConfig(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestWhereItMayListen: where others reach it, TLS, users or consent are wanted.
func TestWhereItMayListen(t *testing.T) {
	for _, c := range []struct {
		address, config string
		insecure, ok    bool
	}{
		{address: "127.0.0.1:9998", ok: true}, {address: "[::1]:9998", ok: true}, {address: "127.9.9.9:0", ok: true}, {address: "localhost:9998", ok: true},
		{address: ":9998"}, {address: "0.0.0.0:9998"}, {address: "[::]:9998"}, {address: "192.0.2.1:9998"},
		{address: ":9998", insecure: true, ok: true},
		{address: ":9998", config: users, ok: true},
		{address: ":9998", config: "http_server_config:\n  http2: false\n"},
		{address: ":9998", config: "{}\n"},
	} {
		l := Listening{Addresses: []string{"127.0.0.1:1", c.address}, Insecure: c.insecure}
		if c.config != "" {
			l.ConfigFile = webConfig(t, c.config)
		}
		if err := l.Check(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrOpen) {
			t.Errorf("%s, %q, %v: %v", c.address, c.config, c.insecure, err)
		}
	}
}

// TestWrongAddressesAndConfigurations are reported in one line each.
func TestWrongAddressesAndConfigurations(t *testing.T) {
	for _, l := range []Listening{
		{}, {Addresses: []string{"127.0.0.1"}}, {Addresses: []string{"127.0.0.1:http9"}}, {Addresses: []string{"127.0.0.1:99999"}},
		{Addresses: []string{"127.0.0.1:1"}, ConfigFile: "/nowhere/web.yml"},
		{Addresses: []string{"127.0.0.1:1"}, ConfigFile: webConfig(t, "basic_auth_users: [\n")},
		{Addresses: []string{"127.0.0.1:1"}, ConfigFile: webConfig(t, "basic_auth_users:\n  alice: secret\n")},
		{Addresses: []string{"127.0.0.1:1"}, ConfigFile: webConfig(t, "tls_server_config:\n  cert_file: nowhere.crt\n  key_file: nowhere.key\n")},
		{Addresses: []string{"127.0.0.1:1"}, ConfigFile: webConfig(t, "frobnicate: true\n")},
	} {
		err := l.Check()
		if err == nil || errors.Is(err, ErrOpen) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", l, err)
			continue
		}
		t.Log(err)
	}
}

// TestAddressInUse is reported with the address.
func TestAddressInUse(t *testing.T) {
	r := start(t, "")
	l := Listening{Addresses: []string{"127.0.0.1:0", r.addr}}
	if open, err := l.Open(); err == nil || open != nil || err.Error() != "listen on "+r.addr+": address already in use" {
		t.Errorf("%v, %v", open, err)
	}
}

// TestUsers: the configuration is read for each request, so that a user who is added may
// ask without a restart, and one that is wrong refuses all.
func TestUsers(t *testing.T) {
	file := webConfig(t, users)
	r := start(t, file)
	ask := func(user, password string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	for _, c := range []struct {
		user, password string
		status         int
	}{{"", "", 401}, {"alice", "wrong", 401}, {"alice", "secret", 200}} {
		if got := ask(c.user, c.password); got != c.status {
			t.Errorf("%s: %d", c.user, got)
		}
	}
	for _, c := range []struct {
		config, user string
		status       int
	}{{strings.Replace(users, "alice", "bob", 1), "bob", 200}, {"[", "bob", 500}} {
		if err := os.WriteFile(file, []byte(c.config), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := ask(c.user, "secret"); got != c.status {
			t.Errorf("%q, %s: %d", c.config, c.user, got)
		}
	}
	if said := r.said(); !strings.Contains(said, "Unable to parse configuration") {
		t.Errorf("said %q", said)
	}
}

// TestConfigurationOpens: one that asks for nobody any more, as while it is written, opens
// no address that others reach; nor does one that asks for TLS from the next start on.
func TestConfigurationOpens(t *testing.T) {
	file := webConfig(t, users)
	for _, c := range []struct {
		address  string
		insecure bool
		want     int
	}{{":0", false, 503}, {":0", true, 200}, {"127.0.0.1:0", false, 200}} {
		r := startAt(t, c.address, Listening{ConfigFile: file, Insecure: c.insecure})
		write := func(config string) {
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		const auth = "Basic YWxpY2U6c2VjcmV0" // alice:secret
		for _, step := range []struct {
			config, auth string
			want         int
		}{{users, "", 401}, {users, auth, 200}, {"", "", c.want}, {"{}", auth, c.want}, {withTLS(t), "", c.want}, {users, auth, 200}} {
			write(step.config)
			if got, _, _ := r.get("/metrics", "Authorization", step.auth); got != step.want {
				t.Errorf("%+v, %q: %d, want %d", c, step.config, got, step.want)
			}
		}
	}
}

// withTLS is a configuration with a certificate and without a user.
func withTLS(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: cert}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("tls_server_config:\n  cert_file: %s/crt\n  key_file: %s/key\n", dir, dir)
}
