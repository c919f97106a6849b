package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

const random32 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestParseKeyLogLine(t *testing.T) {
	label, random, secret, err := parseKeyLogLine([]byte("CLIENT_RANDOM " + random32 + " abcd\n"))
	if err != nil || label != labelMaster || len(random) != 32 || !bytes.Equal(secret, []byte{0xab, 0xcd}) {
		t.Errorf("%s %x %x %v", label, random, secret, err)
	}
	for _, line := range []string{"", "CLIENT_RANDOM", "A b c", "A " + random32, "A " + random32 + " x", "A " + random32 + " abc", "A abcd abcd", "A " + random32 + " ab cd"} {
		if _, _, _, err := parseKeyLogLine([]byte(line)); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}

func FuzzParseKeyLogLine(f *testing.F) {
	f.Add([]byte("CLIENT_RANDOM " + random32 + " abcd\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		label, random, secret, err := parseKeyLogLine(line)
		if err != nil {
			return
		}
		again := fmt.Sprintf("%s %x %x", label, random, secret)
		if want := strings.Join(strings.Fields(string(line)), " "); !strings.EqualFold(again, want) {
			t.Errorf("%q became %q", want, again)
		}
	})
}

// cutRecords feeds stream in pieces of the given size and returns the records.
func cutRecords(stream []byte, piece int) (records [][]byte) {
	s := recordScanner{visit: func(rec []byte) { records = append(records, bytes.Clone(rec)) }}
	for len(stream) > 0 {
		n := min(piece, len(stream))
		s.feed(stream[:n])
		stream = stream[n:]
	}
	return records
}

func TestRecordScanner(t *testing.T) {
	stream := []byte{22, 3, 1, 0, 2, 'a', 'b', 20, 3, 3, 0, 0, 23, 3, 3, 0, 1, 'c', 23, 3}
	for piece := 1; piece <= len(stream); piece++ {
		if got := fmt.Sprint(cutRecords(stream, piece)); got != "[[22 3 1 0 2 97 98] [20 3 3 0 0] [23 3 3 0 1 99]]" {
			t.Errorf("pieces of %d: %s", piece, got)
		}
	}
}

func FuzzRecordScanner(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 2, 'a', 'b', 20, 3, 3, 0, 0, 23, 3, 3, 0, 1, 'c', 23, 3}, 3)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		if piece < 1 {
			return
		}
		whole, cut := cutRecords(stream, len(stream)+1), cutRecords(stream, piece)
		if !bytes.Equal(bytes.Join(whole, nil), bytes.Join(cut, nil)) || len(whole) != len(cut) {
			t.Errorf("%d records in one piece, %d in pieces of %d", len(whole), len(cut), piece)
		}
		if joined := bytes.Join(whole, nil); !bytes.HasPrefix(stream, joined) {
			t.Error("records are not the stream's start")
		}
		f := newFlight(func() bool { return true })
		f.scan.feed(stream)
		if len(f.hello) > randomEnd {
			t.Errorf("kept %d bytes of the hello", len(f.hello))
		}
	})
}

// FuzzPostHandshake gives a reader records of any kind. It must end with an error or go on,
// whatever they are, and never hand out what is not application data.
func FuzzPostHandshake(f *testing.F) {
	f.Add(byte(raw.TypeHandshake), []byte{24, 0, 0, 1, 1}, uint8(5))
	f.Add(byte(raw.TypeHandshake), []byte{4, 0, 0, 2, 0, 0, 24, 0, 0, 1, 0}, uint8(3))
	f.Add(byte(raw.TypeAlert), []byte{1, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, typ byte, content []byte, piece uint8) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			sock := &scripted{typ: raw.ContentType(typ), rest: content, piece: int(piece) + 1}
			h := &handover{suite: aes128SHA256, version: version, txSecret: make([]byte, 32), rxSecret: make([]byte, 32)}
			k := newKernelLayer(sock, h, true)
			got, err := io.ReadAll(k)
			if len(got) > 0 && sock.typ != raw.TypeApplicationData {
				t.Errorf("type %v reached the reader: %x", sock.typ, got)
			}
			if err == nil && len(sock.rest) > 0 && sock.typ != raw.TypeAlert {
				t.Errorf("ended with %d bytes left", len(sock.rest))
			}
			if _, again := k.Read(make([]byte, 1)); again == nil {
				t.Error("the end did not last")
			}
		}
	})
}

// scripted is a recordSocket that receives one piece of content after another.
type scripted struct {
	softSocket
	typ   raw.ContentType
	rest  []byte
	piece int
}

func (s *scripted) recv(p []byte) (int, raw.ContentType, error) {
	if len(s.rest) == 0 {
		return 0, 0, nil
	}
	n := copy(p[:min(len(p), s.piece)], s.rest)
	s.rest = s.rest[n:]
	return n, s.typ, nil
}

func (s *scripted) send(raw.ContentType, []byte) error               { return nil }
func (s *scripted) trySend(raw.ContentType, []byte) error            { return nil }
func (s *scripted) setKeys(_ raw.Direction, _ *raw.CryptoInfo) error { return nil }

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		fmt.Sprint(Prefer, Require, Never, Policy(9)):                                  "prefer require never policy(9)",
		fmt.Sprint(ModeNone, ModeKernel, ModeSoftware, ModeHardware):                   "none kernel sw hw",
		fmt.Sprint(Mode(9), raw.TX, raw.RX, raw.Direction(9)):                          "mode(9) TLS_TX TLS_RX direction(9)",
		fmt.Sprint(raw.AES128GCM, raw.ChaCha20Poly1305, raw.ARIA256GCM, raw.Cipher(1)): "AES-GCM-128 CHACHA20-POLY1305 ARIA-GCM-256 cipher_1",
		fmt.Sprint(raw.TypeChangeCipherSpec, raw.TypeAlert, raw.ContentType(9)):        "change_cipher_spec alert type_9",
		fmt.Sprint(raw.TypeHandshake, raw.TypeApplicationData):                         "handshake application_data",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	err := error(&OffloadError{Op: "set TLS_TX", Reason: ErrCipher, Cause: io.EOF})
	if !errors.Is(err, ErrCipher) || !errors.Is(err, io.EOF) || !strings.HasPrefix(err.Error(), "ktls: set TLS_TX: ") {
		t.Errorf("error: %v", err)
	}
}
