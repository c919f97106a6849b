package event

import "testing"

func TestErrnoName(t *testing.T) {
	if ErrnoName(74) != "EBADMSG" || ErrnoName(9999) != "errno_9999" {
		t.Error(ErrnoName(74), ErrnoName(9999))
	}
}
