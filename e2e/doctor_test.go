package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/sink/schematest"
)

// diagnosis has the fields of doctor -o json that the tests read.
type diagnosis struct {
	Well bool `json:"well"`
	Host struct {
		TLS string `json:"tls"`
	} `json:"host"`
	Processes []struct {
		PID       int    `json:"pid"`
		Comm      string `json:"comm"`
		Libraries []struct {
			Name, Version string
		} `json:"libraries"`
	} `json:"processes"`
	Connections []diagnosed `json:"connections"`
	Findings    []finding   `json:"findings"`
	NotSeen     []string    `json:"not_seen"`
}

type diagnosed struct {
	NetNS              uint64
	Local, Remote      string
	Comm, Version, ULP string
	Cipher             string
	Role               string
	ServerName         string `json:"server_name"`
	ULPErrno           string `json:"ulp_errno"`
	TX, RX             struct{ Mode, Errno string }
	Why                []string
}

type finding struct {
	ID, Level, Comm, Says, Do string
	PID                       int
}

// doctor runs ktlstop doctor -o json to its end.
func doctor(t *testing.T, args ...string) (d diagnosis, status int) {
	t.Helper()
	stdout, stderr, status := ktlstop(t, append([]string{"doctor", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	must(t, schematest.CheckDoctor([]byte(stdout)))
	return d, status
}

// has reports whether there is a finding of an id about a program, "" for the host.
func (d *diagnosis) has(id, comm string) bool {
	return slices.ContainsFunc(d.Findings, func(f finding) bool { return f.ID == id && f.Comm == comm })
}

// end returns the connection with this port at this end, with its known state.
func (d *diagnosis) end(t *testing.T, server bool, port int) diagnosed {
	t.Helper()
	suffix := fmt.Sprintf(":%d", port)
	for _, c := range d.Connections {
		if at := map[bool]string{true: c.Local, false: c.Remote}[server]; strings.HasSuffix(at, suffix) {
			return c
		}
	}
	t.Fatalf("no connection of port %d (server %v) in %+v", port, server, d.Connections)
	return diagnosed{}
}

// watching is a ktlstop doctor --watch.
type watching struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
	last     time.Time // of the last handshake
}

// startWatch returns when handshakes are observed.
func startWatch(t *testing.T, args ...string) *watching {
	t.Helper()
	return startWatchBy(t, (*exec.Cmd).Start, args...)
}

// startWatchBy is startWatch for a doctor that is started by another command.
func startWatchBy(t *testing.T, start func(*exec.Cmd) error, args ...string) *watching {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	w := &watching{cmd: exec.Command(program, append([]string{"doctor", "-o", "json", "--watch", "10m", "--ready-file", ready}, args...)...)}
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.err
	must(t, start(w.cmd))
	t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // nothing else shows that the hooks are attached
		if _, err := os.Stat(ready); err == nil {
			return w
		}
		if time.Now().After(deadline) {
			t.Fatalf("the watch does not begin: %s", &w.err)
		}
	}
}

// stop ends a watch that found something off.
func (w *watching) stop(t *testing.T) diagnosis {
	t.Helper()
	d := w.end(t)
	if status := w.cmd.ProcessState.ExitCode(); d.Well || status != 1 {
		t.Errorf("status %d, well %v", status, d.Well)
	}
	return d
}

// end ends the watch when the last handshake is certain: it gives a program half a second
// for its request.
// a second to ask.
func (w *watching) end(t *testing.T) (d diagnosis) {
	t.Helper()
	<-time.After(time.Until(w.last.Add(600 * time.Millisecond)))
	must(t, w.cmd.Process.Signal(syscall.SIGINT))
	_ = w.cmd.Wait() // the status reports whether something is off
	if err := json.Unmarshal(w.out.Bytes(), &d); err != nil {
		t.Fatalf("%v: %s%s", err, &w.out, &w.err)
	}
	must(t, schematest.CheckDoctor(w.out.Bytes()))
	return d
}

// shake connects an s_client of OpenSSL to a server that listens on a port. It returns
// when the server has received data, which is after the handshake.
func (w *watching) shake(t *testing.T, port int, server io.Reader, args ...string) {
	t.Helper()
	args = append([]string{"s_client", "-connect", "127.0.0.1:" + strconv.Itoa(port), "-quiet", "-no_ign_eof", "-nocommands", "-servername", "doctor.test"}, args...)
	cmd := exec.Command(need(t, "openssl"), args...)
	in, err := cmd.StdinPipe()
	must(t, err)
	if server == nil { // the server echoes
		out, err := cmd.StdoutPipe()
		must(t, err)
		server = out
	}
	start(t, cmd)
	_, err = io.WriteString(in, "word\n")
	must(t, err)
	got := make([]byte, 5)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "word\n" {
		t.Fatalf("the server got %q, %v", got, err)
	}
	w.last = time.Now()
	t.Cleanup(func() { in.Close() })
}

// pairOf is an s_server with kernel TLS switched on, or not, and a client of it.
func (w *watching) pairOf(t *testing.T, openssl []string, env string, server, client []string) (port int) {
	t.Helper()
	cert, key := certificateFiles(t, t.TempDir())
	port = freePort(t)
	args := append(openssl[1:len(openssl):len(openssl)], "s_server", "-accept", strconv.Itoa(port), "-cert", cert, "-key", key, "-quiet", "-naccept", "1")
	cmd := exec.Command(openssl[0], append(args, server...)...)
	cmd.Env = append(os.Environ(), env)
	in, err := cmd.StdinPipe() // whose end would be the server's
	must(t, err)
	r, out, err := os.Pipe()
	must(t, err)
	cmd.Stdout = out
	start(t, cmd)
	out.Close()
	t.Cleanup(func() { in.Close(); r.Close() })
	listening(t, port)
	w.shake(t, port, r, client...)
	return port
}

// TestDoctorWatch provokes on each kernel what doctor can observe: requests of programs,
// answers of the kernel, choices of handshakes.
func TestDoctorWatch(t *testing.T) {
	ktlsOn := opensslConf(t)
	host, tls12 := hostOpenSSL(t), []string{"-tls1_2"}
	w := startWatch(t)
	type end struct {
		name   string
		port   int
		server bool
		// why is the id, comm the program's name, says a part of the finding's text.
		why, comm, version, says string
	}
	var want []end
	add := func(e end) { want = append(want, e) }

	half := w.pairOf(t, host, ktlsOn, nil, nil)
	add(end{"OpenSSL 3.0 with TLS 1.3", half, true, "KT050", "openssl", "1.3", "the kernel has sending, and not receiving"})
	add(end{"a client without the option", half, false, "KT037", "openssl", "1.3", "openssl.cnf does not switch it on"})
	cbc := w.pairOf(t, host, ktlsOn, tls12, []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"})
	add(end{"CBC", cbc, true, "KT042", "openssl", "1.2", "the server chose TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 in TLS 1.2"})
	old := []string{"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}
	add(end{"TLS 1.1", w.pairOf(t, host, ktlsOn, old, old), true, "KT040", "openssl", "1.1", "the server chose TLS 1.1"})
	short := w.pairOf(t, host, ktlsOn, tls12, []string{"-tls1_2", "-maxfraglen", "1024"})
	add(end{"max_fragment_length", short, true, "KT041", "openssl", "1.2", "max_fragment_length was agreed on (1024 bytes)"})
	full := w.pairOf(t, newerOpenSSL(t), ktlsOn, nil, nil)
	add(end{"OpenSSL 3.5 has both directions", full, true, "", "ld-linux-x86-64", "1.3", ""})
	add(end{"nginx without the option", w.nginx(t), true, "KT060", "nginx", "", "never asked for: kernel TLS is off: neither "})
	add(end{"a Go server", w.goServer(t), true, "KT030", "tlsserver", "1.3", "Go crypto/tls 1."})
	add(end{"GnuTLS", w.gnutls(t), true, "KT038", "gnutls-serv", "1.3", "was built without kernel TLS"})
	add(end{"Python with a memory BIO", w.python(t, ktlsOn), false, "KT036", "python3", "1.3", "the program reads and writes the socket itself"})
	refusals := refuse(t)
	scattered(t)

	got := w.stop(t)
	skips := got.takeSkips()
	if len(got.NotSeen) > 0 || skips > mostSkipped {
		t.Errorf("not seen: %q, %d skipped", got.NotSeen, skips)
	}
	for _, e := range want {
		t.Run(e.name, func(t *testing.T) {
			if skips > 0 {
				t.Skipf("the kernel skipped the hooks of %d calls, which is reported: any of this may not have been seen", skips)
			}
			c := got.end(t, e.server, e.port)
			why := strings.Join(c.Why, " ")
			if why != e.why || c.Comm != e.comm || e.version != "" && c.Version != e.version || c.ServerName == "" || (c.Role == "server") != e.server {
				t.Errorf("%+v, want %+v", c, e)
			}
			if e.why != "" && !slices.ContainsFunc(got.Findings, func(f finding) bool {
				return f.ID == e.why && f.Comm == e.comm && strings.Contains(f.Says, e.says) && f.Do != ""
			}) {
				t.Errorf("no finding says %q: %+v", e.says, got.Findings)
			}
			if e.why == "" && (c.TX.Mode != "sw" || c.RX.Mode != "sw") {
				t.Errorf("%+v, want both directions on", c)
			}
		})
	}
	if skips > 0 {
		t.Skipf("the kernel skipped the hooks of %d calls, which is reported: refusals and names may not have been seen", skips)
	}
	for says, id := range refusals {
		if !slices.ContainsFunc(got.Findings, func(f finding) bool {
			return f.ID == id && f.Comm == comm(t) && f.PID == os.Getpid() && strings.Contains(f.Says, says)
		}) {
			t.Errorf("no %s of this process says %q: %+v", id, says, got.Findings)
		}
	}
	for name, want := range map[string]bool{"sent.test": true, "away.test": false} {
		if is := slices.ContainsFunc(got.Connections, func(c diagnosed) bool { return c.ServerName == name }); is != want {
			t.Errorf("a ClientHello for %s: %v, want %v", name, is, want)
		}
	}
}

// takeSkips returns how many messages at most the kernel has hidden by skipping hooks,
// according to doctor; it removes that line from NotSeen.
func (d *diagnosis) takeSkips() (n int) {
	d.NotSeen = slices.DeleteFunc(d.NotSeen, func(l string) bool {
		_, err := fmt.Sscanf(l, "up to %d messages and answers, since the kernel skipped a hook", &n)
		return err == nil
	})
	return n
}

// clientHello has a server name.
func clientHello(name string) []byte {
	sized := func(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }
	sni := append([]byte{0, 0}, sized(sized(append([]byte{0}, sized([]byte(name))...)))...)
	body := append([]byte{3, 3}, make([]byte, 33)...) // no session
	body = append(append(body, 0, 2, 0x13, 1, 1, 0), sized(sni)...)
	message := append([]byte{1, 0}, sized(body)...)
	return append([]byte{0x16, 3, 1}, sized(message)...)
}

// scattered receives a ClientHello in pieces: after the first memory follows another,
// which never arrives.
func scattered(t *testing.T) {
	t.Helper()
	p := newPlain(t)
	defer p.close()
	const first = 6                                                    // enough to show that it is a ClientHello
	sent, behind := clientHello("sent.test"), clientHello("away.test") // as long, so that they could be one
	_, err := unix.Write(p.a, sent)
	must(t, err)
	rest := make([]byte, len(sent))
	if n, err := unix.Readv(p.b, [][]byte{behind[:first:first], rest}); n != len(sent) || err != nil {
		t.Fatalf("readv: %d, %v", n, err)
	}
}

// refuse makes requests that the kernel refuses, and returns parts of the expected
// findings, with their ids.
func refuse(t *testing.T) map[string]string {
	t.Helper()
	says := map[string]string{"refused with ENOTCONN": "KT012", ": the socket is one of MPTCP": "KT014", "refused with EINVAL: the version 0x0302 is none of": "KT022"}
	ulp := func(protocol int, want ...error) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, protocol)
		must(t, err)
		defer unix.Close(fd)
		if err := unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls"); !slices.Contains(want, err) {
			t.Errorf("TCP_ULP on a socket of protocol %d: %v, want %v", protocol, err, want)
		}
	}
	ulp(unix.IPPROTO_TCP, unix.ENOTCONN)
	ulp(unix.IPPROTO_MPTCP, unix.EOPNOTSUPP, unix.ENOPROTOOPT) // it depends on the kernel
	p := newPlain(t)
	defer p.close()
	must(t, unix.SetsockoptString(p.a, unix.SOL_TCP, unix.TCP_ULP, "tls"))
	info := binary.NativeEndian.AppendUint16(nil, 0x0302)
	info = append(binary.NativeEndian.AppendUint16(info, 51), make([]byte, 36)...)
	if err := unix.SetsockoptString(p.a, unix.SOL_TLS, 1, string(info)); err != unix.EINVAL {
		t.Errorf("TLS_TX: %v, want EINVAL", err)
	}
	// A second key: for TLS 1.3 the kernel accepts it from 6.14 on, for TLS 1.2 never.
	for version, why := range map[string]string{"1.3": "before Linux 6.14 the kernel takes one", "1.2": "of TLS 1.2 the kernel takes one"} {
		keyed := newPair(t, security{version, "AES-GCM-128", "sw"})
		defer keyed.close()
		info = binary.NativeEndian.AppendUint16(nil, map[string]uint16{"1.2": 0x0303, "1.3": 0x0304}[version])
		info = append(binary.NativeEndian.AppendUint16(info, 51), make([]byte, 36)...)
		switch err := unix.SetsockoptString(keyed.a, unix.SOL_TLS, 1, string(info)); {
		case err == unix.EBUSY:
			says["a second key for sending was refused with EBUSY: "+why] = "KT021"
		case err != nil || version == "1.2":
			t.Errorf("a second TLS_TX of TLS %s: %v", version, err)
		}
	}
	return says
}

func (w *watching) nginx(t *testing.T) (port int) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("body"), 0o644))
	port = startNginxWith(t, dir, "")
	cmd := exec.Command(need(t, "openssl"), "s_client", "-connect", "127.0.0.1:"+strconv.Itoa(port), "-quiet", "-servername", "doctor.test")
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	start(t, cmd)
	t.Cleanup(func() { in.Close() })
	_, err = io.WriteString(in, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	_, err = io.ReadFull(out, make([]byte, 10))
	must(t, err)
	w.last = time.Now()
	return port
}

func (w *watching) goServer(t *testing.T) (port int) {
	t.Helper()
	cert, key := certificateFiles(t, t.TempDir())
	port = freePort(t)
	if _, err := os.Stat("../bin/tlsserver"); err != nil {
		t.Fatal("bin/tlsserver is missing: make build-server")
	}
	start(t, exec.Command("../bin/tlsserver", "127.0.0.1:"+strconv.Itoa(port), cert, key))
	listening(t, port)
	w.shake(t, port, nil)
	return port
}

func (w *watching) gnutls(t *testing.T) (port int) {
	t.Helper()
	cert, key := certificateFiles(t, t.TempDir())
	port = freePort(t)
	start(t, exec.Command(need(t, "gnutls-serv"), "--echo", "-p", strconv.Itoa(port), "--x509certfile", cert, "--x509keyfile", key))
	listening(t, port)
	w.shake(t, port, nil)
	return port
}

// python is a client whose OpenSSL sees memory, of an s_server.
func (w *watching) python(t *testing.T, env string) (port int) {
	t.Helper()
	const script = `
import ssl, sys, asyncio
async def main():
    c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
    r, w = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]), ssl=c, server_hostname="doctor.test")
    w.write(b"word\n"); await w.drain(); print("done", flush=True); await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())`
	cert, key := certificateFiles(t, t.TempDir())
	port = freePort(t)
	start(t, exec.Command("../bin/tlsserver", "127.0.0.1:"+strconv.Itoa(port), cert, key))
	listening(t, port)
	cmd := exec.Command(need(t, "/usr/bin/python3"), "-c", script, strconv.Itoa(port))
	cmd.Env = append(os.Environ(), env)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	start(t, cmd)
	t.Cleanup(func() { in.Close() })
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	w.last = time.Now()
	return port
}

// TestDoctorWithoutModule: the module tls is not loaded, and a program that may not load
// it makes a request; a cipher's module is not available.
func TestDoctorWithoutModule(t *testing.T) {
	onOneKernel(t)
	if n := tlsReferences(t); n != "0" {
		t.Fatalf("the module tls still has %s users", n)
	}
	t.Cleanup(func() { modprobe(t, "tls") })
	modprobe(t, "-r", "tls")
	d, status := doctor(t)
	if status != 1 || d.Host.TLS != "loadable" || !d.has("KT002", "") {
		t.Errorf("status %d, %+v", status, d)
	}
	w := startWatch(t)
	const script = `
import socket, sys
a = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(a.getsockname())
try: c.setsockopt(6, 31, b"tls")
except OSError as e: print(e.errno, flush=True)
sys.stdin.read()`
	cmd := exec.Command(need(t, "/usr/bin/python3"), "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	start(t, cmd)
	got := make([]byte, 2)
	if _, err := io.ReadFull(out, got); err != nil || string(got) != "2\n" {
		t.Fatalf("the program got %q, %v, want ENOENT", got, err)
	}
	seen := w.stop(t)
	in.Close()
	if !slices.ContainsFunc(seen.Findings, func(f finding) bool {
		return f.ID == "KT010" && f.PID == cmd.Process.Pid && strings.Contains(f.Says, "without CAP_NET_ADMIN") && strings.Contains(f.Do, "modprobe tls")
	}) {
		t.Errorf("%+v", seen.Findings)
	}
	if _, err := os.Stat("/sys/module/tls"); err == nil {
		t.Error("doctor has loaded the module")
	}
	modprobe(t, "tls")
	cipherRefused(t)
}

// cipherRefused: no module can be loaded for a while.
func cipherRefused(t *testing.T) {
	t.Helper()
	const loads = "/proc/sys/kernel/modprobe"
	before, err := os.ReadFile(loads)
	must(t, err)
	modprobe(t, "-r", "chacha20poly1305")
	must(t, os.WriteFile(loads, []byte("/bin/false"), 0))
	t.Cleanup(func() { must(t, os.WriteFile(loads, bytes.TrimSpace(before), 0)) })
	w := startWatch(t)
	a, b := tcpPair(t)
	p := newPlainPair(t, a, b, rawInfo(security{"1.3", "CHACHA20-POLY1305", "sw"}))
	defer p.close()
	must(t, unix.SetsockoptString(p.a, unix.SOL_TCP, unix.TCP_ULP, "tls"))
	info := binary.NativeEndian.AppendUint16(nil, 0x0304)
	info = append(binary.NativeEndian.AppendUint16(info, 54), make([]byte, 52)...)
	if err := unix.SetsockoptString(p.a, unix.SOL_TLS, 1, string(info)); err != unix.ENOENT {
		t.Fatalf("TLS_TX: %v, want ENOENT", err)
	}
	d := w.stop(t)
	const says = "TLS 1.3 with CHACHA20-POLY1305: kernel TLS was asked for sending and refused with ENOENT"
	if !slices.ContainsFunc(d.Findings, func(f finding) bool {
		return f.ID == "KT020" && f.PID == os.Getpid() && strings.Contains(f.Says, says) && strings.Contains(f.Do, "modprobe chacha20poly1305")
	}) {
		t.Errorf("%+v", d.Findings)
	}
}

func modprobe(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("modprobe", args...).CombinedOutput(); err != nil {
		t.Fatalf("modprobe %q: %v: %s", args, err, out)
	}
}

// TestDoctorLooks: the information in files and sockets, without a watch.
func TestDoctorLooks(t *testing.T) {
	onOneKernel(t)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	off := startNginxWith(t, dir, "")
	d, status := doctor(t, fmt.Sprintf(":%d", off))
	if status != 1 || !d.has("KT060", "nginx") || len(d.Processes) != 2 {
		t.Errorf("nginx without the option: status %d, %+v", status, d)
	}
	if l := d.Processes[0].Libraries; len(l) != 1 || l[0].Name != "OpenSSL" || !strings.HasPrefix(l[0].Version, "3.0.") {
		t.Errorf("libraries %+v", l)
	}
	on := startNginxWith(t, t.TempDir(), "ssl_conf_command Options KTLS;", "sendfile on", "sendfile off")
	d, _ = doctor(t, fmt.Sprintf(":%d", on))
	if d.has("KT060", "nginx") || !d.has("KT061", "nginx") || d.has("KT062", "nginx") {
		t.Errorf("nginx with the option and without sendfile: %+v", d.Findings)
	}
	on = startNginx(t, t.TempDir())
	if d, _ = doctor(t, fmt.Sprintf(":%d", on)); d.has("KT060", "nginx") || d.has("KT061", "nginx") || !d.has("KT062", "nginx") {
		t.Errorf("nginx with the option and HTTP/2: %+v", d.Findings)
	}
	elsewhere(t)
	c := newConversation(t, 0x0303, 0, "AES-GCM-128")
	d, status = doctor(t, strconv.Itoa(os.Getpid()))
	if got := d.end(t, false, port(c.client.RemoteAddr())); got.TX.Mode != "sw" || got.RX.Mode != "sw" || got.Comm != comm(t) || len(got.Why) != 0 {
		t.Errorf("%+v", got)
	}
	if status != 0 || !d.Well {
		t.Errorf("a program with both directions on: status %d, %+v", status, d.Findings)
	}
	c.client.Close()
	c.server.Close()
}

// elsewhere: connections in other network namespaces are listed too.
func elsewhere(t *testing.T) {
	t.Helper()
	var p *pair
	var inode uint64
	inNetns(t, func() {
		p = newPair(t, security{"1.2", "AES-GCM-256", "sw"})
		var st unix.Stat_t
		must(t, unix.Stat("/proc/thread-self/ns/net", &st))
		inode = st.Ino
		// A namespace is found by a process that is in it.
		cmd := exec.Command("sleep", "60")
		start(t, cmd)
	})
	defer p.close()
	d, _ := doctor(t, fmt.Sprintf(":%d", p.rport))
	for _, server := range []bool{true, false} {
		c := d.end(t, server, p.rport)
		if c.NetNS != inode || c.Comm != comm(t) || c.TX.Mode == "none" && c.RX.Mode == "none" {
			t.Errorf("%+v, want one of namespace %d", c, inode)
		}
	}
}

// TestDoctorSelf: every group of programs loads on every tested kernel.
func TestDoctorSelf(t *testing.T) {
	stdout, stderr, status := ktlstop(t, "doctor", "--self", "-o", "json")
	var self struct {
		Groups []struct {
			Name     string
			Programs int
			Loads    bool
			Why      string
		}
		Missing []string
	}
	if err := json.Unmarshal([]byte(stdout), &self); err != nil || status != 0 || len(self.Groups) < 12 {
		t.Fatalf("status %d, %v: %s%s", status, err, stdout, stderr)
	}
	must(t, schematest.CheckDoctor([]byte(stdout)))
	for _, g := range self.Groups {
		if !g.Loads || g.Programs == 0 {
			t.Errorf("%+v", g)
		}
	}
}

// TestDoctorWithoutRights reports what it could not examine.
func TestDoctorWithoutRights(t *testing.T) {
	onOneKernel(t)
	nobody := func(args ...string) (string, int) {
		cmd := exec.Command(program, append([]string{"doctor"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, status := nobody(); status != 0 || !strings.Contains(out, "not looked at: ") || !strings.Contains(out, "run as root") {
		t.Errorf("status %d: %s", status, out)
	}
	if out, status := nobody("--watch", "1s"); status != 1 || !strings.Contains(out, "run as root") || strings.Count(out, "\n") != 1 {
		t.Errorf("status %d: %s", status, out)
	}
}
