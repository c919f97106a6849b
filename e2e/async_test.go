package e2e

import (
	"encoding/binary"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAsynchronousCrypto makes AES-GCM asynchronous with the template pcrypt: another
// task seals and opens records after the call that submitted them, and each record is
// still reported once, with its plaintext.
func TestAsynchronousCrypto(t *testing.T) {
	defer makeAsynchronous(t)()
	tr := startTracer(t, "-s", "16384")
	type played struct {
		p    *pair
		s    security
		want [][]byte
	}
	var all []played
	for _, version := range []string{"1.2", "1.3"} {
		s := security{version, "AES-GCM-128", "sw"}
		p := newPair(t, s)
		var want [][]byte
		for i, n := range []int{1, 100, 4099, 16384, 16384, 300} {
			want = append(want, pattern(n, i))
			p.send(t, want[i], 0)
		}
		p.recvAll(t, 1+100+4099+16384+16384+300)
		p.close()
		all = append(all, played{p, s, want})
	}
	bad := pairWithWrongKey(t, rawInfo(security{"1.2", "AES-GCM-128", "sw"}))
	defer bad.close()
	bad.send(t, pattern(71, 38), 0)
	if _, _, err := unix.Recvfrom(bad.b, make([]byte, 100), 0); err != unix.EBADMSG {
		t.Errorf("read: %v, want EBADMSG", err)
	}
	got := tr.stop()
	got.noLosses(t)
	checkFailure(t, got, bad, failure{"EBADMSG", "tls_decrypt_done", 0, "application_data", comm(t)})
	for _, x := range all {
		got.compare(t, x.p.lport, x.p.rport, "tx", data("send", x.want...), x.s)
		got.compare(t, x.p.rport, x.p.lport, "rx", data("recv", x.want...), x.s)
		for _, l := range append(got.stream(x.p.lport, x.p.rport, "tx"), got.stream(x.p.rport, x.p.lport, "rx")...) {
			if l.Lat["encrypt"]+l.Lat["decrypt"] == 0 || l.Lat["total"] == 0 {
				t.Errorf("no time of sealing or opening: %+v", l.Lat)
			}
		}
	}
}

// makeAsynchronous puts pcrypt above AES-GCM and returns a function that removes it.
func makeAsynchronous(t *testing.T) (undo func()) {
	t.Helper()
	for _, m := range []string{"pcrypt", "crypto_user", "gcm"} {
		if out, err := exec.Command("modprobe", m).CombinedOutput(); err != nil {
			t.Fatalf("modprobe %s: %v: %s", m, err, out)
		}
	}
	// The crypto test module makes the template, and its load then fails on purpose.
	_ = exec.Command("modprobe", "tcrypt", "alg=pcrypt(gcm(aes))", "type=3").Run()
	driver := pcryptDriver(t)
	return func() { deleteAlgorithm(t, driver) }
}

// deleteAlgorithm sends struct crypto_user_alg (include/uapi/linux/cryptouser.h)
// to the kernel's crypto configuration.
func deleteAlgorithm(t *testing.T, driver string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_CRYPTO)
	must(t, err)
	defer unix.Close(fd)
	alg := make([]byte, 64+64+64+16)
	copy(alg[64:], driver)
	ne := binary.NativeEndian
	ne.PutUint32(alg[192:], 3)   // CRYPTO_ALG_TYPE_AEAD
	ne.PutUint32(alg[196:], 0xf) // CRYPTO_ALG_TYPE_MASK
	msg := ne.AppendUint32(nil, uint32(16+len(alg)))
	msg = ne.AppendUint16(msg, 0x11) // CRYPTO_MSG_DELALG
	msg = ne.AppendUint16(msg, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	msg = append(msg, make([]byte, 8)...)
	msg = append(msg, alg...)
	must(t, unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, reply, 0)
	must(t, err)
	if n < 20 {
		t.Fatalf("short answer of %d bytes", n)
	}
	if errno := int32(ne.Uint32(reply[16:])); errno != 0 {
		t.Fatalf("delete %s: %v", driver, unix.Errno(-errno))
	}
}

// pcryptDriver is the kernel's name of the new driver.
func pcryptDriver(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/crypto")
	must(t, err)
	m := regexp.MustCompile(`(?m)^driver +: (pcrypt\(.*gcm.*\))$`).FindSubmatch(b)
	if m == nil {
		t.Fatal("the kernel made no pcrypt")
	}
	return string(m[1])
}
