package facts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// A link in a container leads to a file of that container, never to one of the host.
func TestLinksStayInside(t *testing.T) {
	outside := tree(t, map[string]string{"openssl.cnf": switchedOn, "conf.d/a.conf": "http {}"})
	in := jail{remaining: maxJail, root: string(tree(t, map[string]string{
		"usr/lib/ssl/openssl.cnf": "->/etc/ssl/openssl.cnf", "etc/ssl/openssl.cnf": "of the container",
		"etc/host.cnf": "->" + string(outside) + "/openssl.cnf", "etc/up.cnf": "->../../../../../../.." + string(outside) + "/openssl.cnf",
		"etc/nginx": "->/srv/nginx", "srv/nginx/on/a.conf": "->/srv/nginx/all/a.conf", "srv/nginx/all/a.conf": "x",
		"etc/conf.d": "->" + string(outside) + "/conf.d",
	}))}
	if b, err := in.readFile("/usr/lib/ssl/openssl.cnf"); string(b) != "of the container" {
		t.Errorf("%q, %v", b, err)
	}
	for _, name := range []string{"/etc/host.cnf", "/etc/up.cnf", "/../../../../../.." + string(outside) + "/openssl.cnf"} {
		if b, err := in.readFile(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if found := in.glob("/etc/nginx/on/*"); !slices.Equal(found, []string{"/etc/nginx/on/a.conf"}) {
		t.Errorf("%q", found)
	}
	if found := in.glob("/etc/conf.d/*"); found != nil {
		t.Errorf("%q is the host's", found)
	}
	if in.failed != nil {
		t.Error(in.failed)
	}
}

// A pipe or a device in place of a file makes nothing wait or act.
func TestPipes(t *testing.T) {
	root := string(tree(t, map[string]string{"proc/7/comm": "prog", "proc/7/maps": "0-1 r-xp 0 08:01 1 /lib/libgnutls.so.30\n0-1 r-xp 0 08:01 1 /lib/libcrypto.so.3\n0-1 r-xp 0 08:01 1 /lib/libssl.so.3\n",
		"proc/7/exe": "->ROOT/prog", "proc/7/root": "->ROOT", "prog": "", "etc/gnutls/x": "", "lib/x": ""}))
	for _, name := range []string{"lib/libgnutls.so.30", "lib/libcrypto.so.3", "etc/gnutls/config", "proc/7/environ"} {
		if err := unix.Mkfifo(filepath.Join(root, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan doctor.Process)
	go func() {
		p, _ := NewReader(Root(root)).Process(7, true)
		done <- p
	}()
	select {
	case p := <-done:
		if len(p.Libraries) != 2 || p.GnuTLS.Unread != "no regular file" {
			t.Errorf("%+v", p)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for a pipe")
	}
	in := jail{root: "/", remaining: maxJail}
	if _, err := in.readFile("/dev/null"); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a device: %v", err)
	}
}

// Included files are limited in depth and number, and a part of them proves nothing.
func TestIncludesAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"depth":       ".include /usr/lib/ssl/openssl.cnf\n",
		"breadth":     strings.Repeat(".include /usr/lib/ssl/openssl.cnf\n", 10),
		"a large one": switchedOn + strings.Repeat("\n", maxFile),
		"not a file":  switchedOn + ".include /pipe\n",
	} {
		root := tree(t, map[string]string{"usr/lib/ssl/openssl.cnf": text})
		if err := unix.Mkfifo(filepath.Join(string(root), "pipe"), 0o644); err != nil {
			t.Fatal(err)
		}
		c := newConf(&jail{root: string(root), remaining: maxJail})
		if err := c.load("/usr/lib/ssl/openssl.cnf", 0); err == nil && c.failed == nil {
			t.Errorf("%s: taken for the whole", name)
		}
	}
	c := newConf(&jail{root: string(tree(t, map[string]string{"a": switchedOn + ".include /gone\n"})), remaining: maxJail})
	if err := c.load("/a", 0); err != nil || c.failed != nil {
		t.Errorf("what is not there says nothing: %v, %v", err, c.failed)
	}
}

// For a process that changed its root after it read its configuration, the root of its
// parent is used, if that runs the same program; else nothing is known.
func TestChroot(t *testing.T) {
	files := map[string]string{
		"proc/7/comm": "haproxy\n", "proc/7/exe": "->ROOT/usr/sbin/haproxy", "proc/7/root": "->ROOT/var/lib/haproxy", "proc/7/cwd": "->/var/lib/haproxy", "proc/7/status": "PPid:\t6\n",
		"proc/6/exe": "->ROOT/usr/sbin/haproxy", "proc/6/root": "->ROOT", "proc/6/cwd": "->/etc", "var/lib/haproxy/x": "", "bin/init": "",
		"proc/7/maps":    "00400000-01500000 r-xp 0 08:01 1 /lib/libssl.so.3\n00500000-01600000 r-xp 0 08:01 1 /lib/libcrypto.so.3\n",
		"proc/7/cmdline": "/usr/sbin/haproxy\x00-f\x00h.cfg\x00", "usr/sbin/haproxy": "\x00HAProxy version 3.4.7-1\x00",
		"etc/h.cfg": "global\n chroot /var/lib/haproxy\nfrontend x\n bind :443 ssl crt a\n", "lib/libcrypto.so.3": libcrypto, "usr/lib/ssl/openssl.cnf": "[x]\n",
	}
	p, err := NewReader(tree(t, files)).Process(7, true)
	if err != nil || p.Server == nil || p.Server.File != "/etc/h.cfg" || p.Server.Unread != "" || !p.Server.TLS {
		t.Errorf("%+v, %v", p.Server, err)
	}
	if l := p.Library(doctor.OpenSSL); l == nil || l.Version != "3.0.22" || p.OpenSSL == nil || p.OpenSSL.Unread != "" {
		t.Errorf("%+v", p)
	}
	files["proc/6/exe"] = "->ROOT/bin/init"
	files["proc/7/map_files/500000-1600000"] = libcrypto // the root does not change this
	p, _ = NewReader(tree(t, files)).Process(7, true)
	if p.Server == nil || p.Server.Unread != errChroot.Error() || p.OpenSSL.Unread != errChroot.Error() {
		t.Errorf("%+v, %+v", p.Server, p.OpenSSL)
	}
	if l := p.Library(doctor.OpenSSL); l == nil || l.Version != "3.0.22" {
		t.Errorf("%+v", p.Libraries)
	}
	files["proc/7/exe"], files["var/lib/haproxy/sbin/haproxy"] = "->ROOT/var/lib/haproxy/sbin/haproxy", files["usr/sbin/haproxy"]
	files["var/lib/haproxy/var/lib/haproxy/h.cfg"] = files["etc/h.cfg"]
	if p, _ = NewReader(tree(t, files)).Process(7, true); p.Server == nil || p.Server.Unread != "" {
		t.Errorf("begun in its root: %+v", p.Server)
	}
}
