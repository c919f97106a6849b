//go:build gobpf

package gobpf

import (
	"errors"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf/learn"
)

// Required functions are looked up before a record is made.
func TestRequire(t *testing.T) {
	b := &Backend{options: Options{Hooks: []Hook{{Function: "tls_push_sg", Required: true},
		{Function: "tls_rx_one_record", Required: true}, {Function: "tls_err_abort"}}}}
	k := &learn.Symbols{Functions: map[string]bool{"tls_push_sg": true, "tls_rx_one_record": true}}
	if err := b.require(k); err != nil {
		t.Errorf("with all that is required: %v", err)
	}
	delete(k.Functions, "tls_rx_one_record")
	var function MissingFunction
	if err := b.require(k); !errors.As(err, &function) || function != "tls_rx_one_record" {
		t.Errorf("without tls_rx_one_record: %v", err)
	}
}
