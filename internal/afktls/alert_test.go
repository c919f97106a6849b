package afktls

import (
	"testing"

	"golang.org/x/sys/unix"
)

const (
	solTLS        = 282
	setRecordType = 1
	getRecordType = 2
)

func typeMessage(kind byte) []byte {
	b := make([]byte, unix.CmsgSpace(1))
	h := (*unix.Cmsghdr)(ptr(b))
	h.Level, h.Type = solTLS, setRecordType
	h.SetLen(unix.CmsgLen(1))
	b[unix.CmsgLen(0)] = kind
	return b
}

// recvTyped reads a record and its type, 0 if there is no cmsg.
func recvTyped(t testing.TB, fd, flags int) (data []byte, kind byte, err error) {
	t.Helper()
	b, oob := make([]byte, 1<<16), make([]byte, 64)
	n, oobn, _, _, err := unix.Recvmsg(fd, b, oob, flags)
	if err != nil {
		return nil, 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	check(t, "cmsg", err)
	for _, m := range messages {
		if m.Header.Level == solTLS && m.Header.Type == getRecordType && len(m.Data) > 0 {
			kind = m.Data[0]
		}
	}
	return b[:n], kind, nil
}

// TestAlerts: control records travel with their type, as in net/tls; a reader without room for the
// type gets EIO.
func TestAlerts(t *testing.T) {
	load(t)
	a, b, _, ub := pair(t, unix.AF_INET, aes128)
	closeNotify := []byte{1, 0}
	send(t, a, []byte("before"), 0)
	sendControl(t, a, closeNotify, typeMessage(alertType), 0)
	data, kind, err := recvTyped(t, b, 0)
	if string(data) != "before" || kind != appData || err != nil {
		t.Fatalf("got %q of type %d, %v", data, kind, err)
	}
	for range 2 {
		_, _, _, _, err := unix.Recvmsg(b, make([]byte, 100), nil, 0)
		wantErrno(t, "read an alert without room for a cmsg", err, unix.EIO)
	}
	for _, flags := range []int{unix.MSG_PEEK, 0} {
		data, kind, err = recvTyped(t, b, flags)
		if string(data) != string(closeNotify) || kind != alertType || err != nil {
			t.Fatalf("got % x of type %d, %v", data, kind, err)
		}
	}
	sendControl(t, a, random(40), typeMessage(handshake), 0)
	wantNothing(t, b)
	if got := recv(t, ub); got[0] != handshake {
		t.Errorf("a handshake record came as % x", got)
	}
}

// TestTypeChanges: an alert is not mixed with the data that MSG_MORE has collected: the data is
// sent first.
func TestTypeChanges(t *testing.T) {
	load(t)
	a, b, _, _ := pair(t, unix.AF_INET, aes128)
	send(t, a, []byte("collected"), unix.MSG_MORE)
	sendControl(t, a, []byte{1, 0}, typeMessage(alertType), 0)
	wantRecv(t, b, []byte("collected"))
	data, kind, err := recvTyped(t, b, 0)
	if string(data) != "\x01\x00" || kind != alertType || err != nil {
		t.Fatalf("got % x of type %d, %v", data, kind, err)
	}
	_, err = unix.SendmsgN(a, []byte{1, 0}, typeMessage(alertType), nil, unix.MSG_MORE)
	wantErrno(t, "an alert with MSG_MORE", err, unix.EINVAL)
	bad := typeMessage(alertType)
	(*unix.Cmsghdr)(ptr(bad)).Type = 9
	_, err = unix.SendmsgN(a, []byte{1, 0}, bad, nil, 0)
	wantErrno(t, "an unknown cmsg", err, unix.EINVAL)
}
