package ktls

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTrafficKeys has the application traffic secrets and keys of RFC 8448, section 3.
func TestTrafficKeys(t *testing.T) {
	for name, tc := range map[string]struct{ secret, key, iv string }{
		"client": {
			"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
			"17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9",
		},
		"server": {
			"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
			"9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984",
		},
	} {
		got, err := aes128SHA256.trafficKeys(unhex(t, tc.secret))
		if err != nil || hex.EncodeToString(got.key) != tc.key || hex.EncodeToString(got.iv) != tc.iv {
			t.Errorf("%s: key %x, iv %x, %v", name, got.key, got.iv, err)
		}
	}
}

// TestExpandLabel has RFC 9001, appendix A.5: QUIC expands labels as TLS 1.3 does. No RFC
// has a vector for "traffic upd"; the KeyUpdates with crypto/tls and OpenSSL stand for it.
func TestExpandLabel(t *testing.T) {
	secret := unhex(t, "9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b")
	key, err := chacha20SHA256.expandLabel(secret, "quic key", 32)
	if want := "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8"; err != nil || hex.EncodeToString(key) != want {
		t.Errorf("quic key: %x, %v", key, err)
	}
	ku, err := chacha20SHA256.expandLabel(secret, "quic ku", 32)
	if want := "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9"; err != nil || hex.EncodeToString(ku) != want {
		t.Errorf("quic ku: %x, %v", ku, err)
	}
}

// TestPRF12 has the vectors for TLS 1.2's PRF that were published on the TLS working
// group's list (mailarchive.ietf.org/arch/msg/tls/fzVCzk-z3FShgGJ6DOXqM1ydxms).
func TestPRF12(t *testing.T) {
	for name, tc := range map[string]struct {
		suite             suite
		secret, seed, out string
	}{
		"SHA-256": {
			aes128SHA256, "9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c",
			"e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66",
		},
		"SHA-384": {
			aes256SHA384, "b80b733d6ceefcdc71566ea48e5567df", "cd665cf6a8447dd6ff8b27555edb7465",
			"7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d9184259b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f",
		},
	} {
		want := unhex(t, tc.out)
		if got := tc.suite.prf12(unhex(t, tc.secret), "test label", unhex(t, tc.seed), len(want)); !bytes.Equal(got, want) {
			t.Errorf("%s: %x", name, got)
		}
	}
}

// TestOpensRFC8448Record opens the application data of RFC 8448, section 3, as the kernel
// would after the handover: under the client's key, at sequence number 0.
func TestOpensRFC8448Record(t *testing.T) {
	keys, err := aes128SHA256.trafficKeys(unhex(t, "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"))
	if err != nil {
		t.Fatal(err)
	}
	soft, err := newSoftKeys(aes128SHA256.cryptoInfo(tls.VersionTLS13, keys, 0))
	if err != nil {
		t.Fatal(err)
	}
	typ, plain, err := soft.open(unhex(t, "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"))
	if err != nil || typ != raw.TypeApplicationData || len(plain) != 50 || plain[49] != 49 {
		t.Errorf("type %v, %x, %v", typ, plain, err)
	}
}

func TestCryptoInfo(t *testing.T) {
	for _, tc := range []struct {
		name    string
		suite   suite
		version uint16
		iv      string
		want    string // after version and cipher, which are native-endian
		size    int
	}{
		{"GCM 1.3", aes128SHA256, tls.VersionTLS13, "000102030405060708090a0b",
			"0405060708090a0b" + "11111111111111111111111111111111" + "00010203" + "0000000000000007", 40},
		{"GCM 1.2", aes128SHA256, tls.VersionTLS12, "00010203",
			"0000000000000007" + "11111111111111111111111111111111" + "00010203" + "0000000000000007", 40},
		{"ChaCha 1.2", chacha20SHA256, tls.VersionTLS12, "000102030405060708090a0b",
			"000102030405060708090a0b" + "1111111111111111111111111111111111111111111111111111111111111111" + "0000000000000007", 56},
	} {
		keys := directionKeys{bytes.Repeat([]byte{0x11}, tc.suite.keyLen), unhex(t, tc.iv)}
		b, err := tc.suite.cryptoInfo(tc.version, keys, 7).MarshalBinary()
		if err != nil || len(b) != tc.size || hex.EncodeToString(b[4:]) != tc.want {
			t.Errorf("%s: %x, %v", tc.name, b, err)
		}
	}
}
