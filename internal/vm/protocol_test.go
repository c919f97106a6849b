package vm

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	var wire bytes.Buffer
	l := &link{rw: &wire}
	want := Command{Args: []string{"a", "b c"}, Env: []string{"X=1"}, Dir: "/", TTY: true, Size: winsize{24, 80}}
	l.sendJSON(kindExec, want)
	l.send(kindStdin, nil)
	k, payload, err := l.receive()
	var got Command
	if json.Unmarshal(payload, &got); err != nil || k != kindExec || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q %+v, %v", k, got, err)
	}
	if k, payload, err := l.receive(); err != nil || k != kindStdin || len(payload) != 0 {
		t.Errorf("got %q %q, %v", k, payload, err)
	}
	if _, _, err := l.receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestBrokenFrames(t *testing.T) {
	for _, in := range []string{"o\xff\xff\xff\xff", "o\x00\x00\x00\x05abc", "o\x00"} {
		l := &link{rw: struct {
			io.Reader
			io.Writer
		}{strings.NewReader(in), io.Discard}}
		if _, _, err := l.receive(); err == nil {
			t.Errorf("%q was accepted", in)
		}
	}
}

func TestFrameWriterSplits(t *testing.T) {
	var wire bytes.Buffer
	l := &link{rw: &wire}
	data := bytes.Repeat([]byte("0123456789"), chunk/4)
	if n, err := (frameWriter{l, kindStdout}).Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	var got []byte
	for wire.Len() > 0 {
		_, payload, err := l.receive()
		if err != nil || len(payload) > chunk {
			t.Fatal(len(payload), err)
		}
		got = append(got, payload...)
	}
	if !bytes.Equal(got, data) {
		t.Error("data changed on the way")
	}
}

func TestExitCode(t *testing.T) {
	for want, s := range map[int]Status{0: {}, 7: {Code: 7}, 137: {Signal: 9}} {
		if got := s.ExitCode(); got != want {
			t.Errorf("%+v: %d, want %d", s, got, want)
		}
	}
}
