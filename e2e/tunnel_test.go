package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Addresses of the two hosts, which are network namespaces of this one, and of
// the server's end of the tunnel.
const (
	clientHost, serverHost = "vpnclient", "vpnserver"
	serverAddr             = "10.8.0.2"
	tunnelServer           = "192.168.99.1"
	vpnPort                = 4443
)

// tunnel is a VPN between two hosts: Debian's ocserv and Debian's openconnect.
type tunnel struct {
	t          *testing.T
	dir        string
	server     *exec.Cmd
	client     *exec.Cmd
	clientSays said
	ended      chan struct{} // closed when the client has
}

// startTunnel returns when packets can pass. The client uses the preloaded library. The
// given lines are added to ocserv's configuration.
func startTunnel(t *testing.T, lines ...string) *tunnel {
	t.Helper()
	v := &tunnel{t: t, dir: dirOfNobody(t)}
	connectHosts(t)
	v.writeFiles(lines)
	v.startServer()
	v.startClient()
	return v
}

// dirOfNobody is a directory that every user can read, as ocserv's worker must.
func dirOfNobody(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "vpn")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// connectHosts makes the two network namespaces, and a cable between them.
func connectHosts(t *testing.T) {
	t.Helper()
	command(t, "modprobe", "-a", "tun", "veth")
	for _, host := range []string{clientHost, serverHost} {
		command(t, "ip", "netns", "add", host)
		t.Cleanup(func() { command(t, "ip", "netns", "del", host) })
		command(t, "ip", "-n", host, "link", "set", "lo", "up")
	}
	command(t, "ip", "link", "add", "cable0", "netns", clientHost, "type", "veth", "peer", "name", "cable1", "netns", serverHost)
	for link, host := range map[string]string{"cable0": clientHost, "cable1": serverHost} {
		addr := map[string]string{"cable0": "10.8.0.1/24", "cable1": serverAddr + "/24"}[link]
		command(t, "ip", "-n", host, "addr", "add", addr, "dev", link)
		command(t, "ip", "-n", host, "link", "set", link, "up")
	}
}

// command runs a program to its end, which must succeed.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(need(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// onHost is a program that runs in a host's network namespace.
func onHost(t *testing.T, host string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(need(t, "ip"), append([]string{"netns", "exec", host}, args...)...)
}

const ocservConf = `auth = "plain[passwd=%[1]s/passwd]"
tcp-port = %[2]d
udp-port = %[2]d
run-as-user = nobody
run-as-group = nogroup
socket-file = %[1]s/ocserv.sock
pid-file = %[1]s/ocserv.pid
server-cert = %[1]s/cert.pem
server-key = %[1]s/key.pem
isolate-workers = false
use-occtl = false
max-clients = 4
keepalive = 300
dpd = 60
try-mtu-discovery = false
tls-priorities = "NORMAL:%%SERVER_PRECEDENCE"
auth-timeout = 240
cookie-timeout = 300
device = vpns
ipv4-network = 192.168.99.0
ipv4-netmask = 255.255.255.0
ping-leases = false
cisco-client-compat = true
dtls-legacy = true
`

// vpncScript is the script that openconnect runs to set its interface up, reduced to
// this tunnel's needs.
const vpncScript = `#!/bin/sh
[ "$reason" = connect ] || exit 0
ip link set dev $TUNDEV up mtu $INTERNAL_IP4_MTU
ip addr add $INTERNAL_IP4_ADDRESS/32 dev $TUNDEV
ip route add 192.168.99.0/24 dev $TUNDEV
`

func (v *tunnel) writeFiles(lines []string) {
	v.t.Helper()
	conf := fmt.Sprintf(ocservConf, v.dir, vpnPort) + strings.Join(lines, "\n") + "\n"
	must(v.t, os.WriteFile(v.file("conf"), []byte(conf), 0o644))
	must(v.t, os.WriteFile(v.file("script"), []byte(vpncScript), 0o755))
	command(v.t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-keyout", v.file("key.pem"), "-out", v.file("cert.pem"), "-days", "30", "-subj", "/CN="+serverAddr)
	passwd := exec.Command(need(v.t, "ocpasswd"), "-c", v.file("passwd"), "user")
	passwd.Stdin = strings.NewReader("secret\nsecret\n")
	if out, err := passwd.CombinedOutput(); err != nil {
		v.t.Fatalf("ocpasswd: %v: %s", err, out)
	}
}

func (v *tunnel) file(name string) string { return filepath.Join(v.dir, name) }

func (v *tunnel) startServer() {
	v.t.Helper()
	v.server = onHost(v.t, serverHost, need(v.t, "ocserv"), "-f", "-d", "2", "-c", v.file("conf"))
	start(v.t, v.server)
	listens(v.t, vpnPort, fmt.Sprintf("/proc/%d/net", v.server.Process.Pid))
}

// pin is the fingerprint by which openconnect verifies the server.
func (v *tunnel) pin() string {
	v.t.Helper()
	b, err := os.ReadFile(v.file("cert.pem"))
	must(v.t, err)
	block, _ := pem.Decode(b)
	cert, err := x509.ParseCertificate(block.Bytes)
	must(v.t, err)
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "pin-sha256:" + base64.StdEncoding.EncodeToString(sum[:])
}

func (v *tunnel) startClient() {
	v.t.Helper()
	words := append([]string{"env"}, preloadEnv(v.t)...)
	words = append(words, need(v.t, "openconnect"), "-v", "--protocol=anyconnect", "-u", "user", "--passwd-on-stdin", "--servercert", v.pin(),
		"--script", v.file("script"), fmt.Sprintf("https://%s:%d", serverAddr, vpnPort))
	v.client = onHost(v.t, clientHost, words...)
	v.client.Stdin = strings.NewReader("secret\n")
	v.client.Stdout, v.client.Stderr = &v.clientSays, &v.clientSays
	must(v.t, v.client.Start())
	v.ended = make(chan struct{})
	go func() { _ = v.client.Wait(); close(v.ended) }()
	v.t.Cleanup(func() {
		_ = v.client.Process.Kill() // it may have ended by itself
		<-v.ended
		if v.t.Failed() {
			v.t.Logf("openconnect said:\n%s", &v.clientSays)
		}
	})
	v.says("in the kernel", 1)
	eventually(v.t, "a route into the tunnel", func() bool {
		out, err := exec.Command("ip", "-n", clientHost, "route", "get", tunnelServer).CombinedOutput()
		return err == nil && bytes.Contains(out, []byte("dev tun"))
	})
}

// says waits until the client has printed a text n times.
func (v *tunnel) says(what string, n int) {
	v.t.Helper()
	eventually(v.t, fmt.Sprintf("%q said %d times", what, n), func() bool {
		select {
		case <-v.ended:
			if v.said(what) < n {
				v.t.Fatal("openconnect has ended")
			}
		default:
		}
		return v.said(what) >= n
	})
}

func (v *tunnel) said(what string) int { return strings.Count(v.clientSays.String(), what) }

var pinged = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// ping sends n packets through the tunnel, all of which must be answered.
func (v *tunnel) ping(n int) {
	v.t.Helper()
	out, err := onHost(v.t, clientHost, need(v.t, "ping"), "-c", fmt.Sprint(n), "-i", "0.2", "-W", "60", "-s", "900", tunnelServer).CombinedOutput()
	m := pinged.FindStringSubmatch(string(out))
	if err != nil || m == nil || m[1] != m[2] {
		v.t.Errorf("ping: %v: %s", err, out)
	}
}

// inHost runs f with this thread in a host's network namespace: its sockets stay there.
func inHost(t *testing.T, host string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(old)
	ns, err := unix.Open("/run/netns/"+host, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(ns)
	must(t, unix.Setns(ns, unix.CLONE_NEWNET))
	defer func() { must(t, unix.Setns(old, unix.CLONE_NEWNET)) }()
	f()
}
