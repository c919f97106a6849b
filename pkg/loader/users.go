//go:build linux && (amd64 || arm64)

package loader

import (
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// IsKernelUser reports whether name is that of a part of the kernel
// (event.Conn.KernelUser). Such a socket belongs to no task, so that Filter.Comms does not
// match it.
func IsKernelUser(name string) bool { return wire.IsKernelUser(name) }

// maxUsers is USERS of bpf/ktls_user.h.
const maxUsers = 64

// kernelUsers names the parts of the kernel that own sockets. Any goroutine may use it.
type kernelUsers struct {
	symbols *ebpf.Map
	names   [maxUsers]atomic.Pointer[string]
}

// at returns the name at a place, counted from 1; empty if it is not known.
func (u *kernelUsers) at(place uint16) string {
	if u == nil || place == 0 || place > maxUsers {
		return ""
	}
	known := &u.names[place-1]
	if name := known.Load(); name != nil {
		return *name
	}
	var symbol object.KtlsUser
	if u.symbols.Lookup(uint32(place)-1, &symbol) != nil { // what is not known stays unknown
		return ""
	}
	text := wire.SymbolOf(&symbol)
	if text == "" { // just being asked for
		return ""
	}
	name := wire.KernelUser(text)
	known.Store(&name)
	return name
}
