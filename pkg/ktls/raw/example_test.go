package raw_test

import (
	"crypto/tls"
	"fmt"
	"log"
	"net"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// One direction of a connection gets a key, and an alert goes out as its first record. The other end enables the same
// CryptoInfo for what it receives. It needs Linux with the module tls.
func Example() {
	conn, err := net.Dial("tcp", "192.0.2.1:443")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	tcp := conn.(*net.TCPConn)
	tx := &raw.CryptoInfo{Version: tls.VersionTLS13, Cipher: raw.AES128GCM, Key: make([]byte, 16), Salt: make([]byte, 4), IV: make([]byte, 8)}
	if err := raw.Enable(tcp, tx, nil); err != nil {
		log.Fatal(err)
	}
	if _, err := raw.SendRecord(tcp, raw.TypeAlert, []byte{1, 0}, 0); err != nil { // warning, close_notify
		log.Fatal(err)
	}
}

// Sizes returns what a CryptoInfo must have.
func ExampleCipher_Sizes() {
	key, salt, iv, ok := raw.ChaCha20Poly1305.Sizes()
	fmt.Println(raw.ChaCha20Poly1305, key, salt, iv, ok)
	// Output: CHACHA20-POLY1305 32 0 12 true
}
