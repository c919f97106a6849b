package wire

import (
	"strings"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// users are the parts of the kernel by the beginnings of their functions: those of which
// one module holds several, and those that can be built in. sunrpc does not know of which
// program its calls are, and nearly all are of NFS.
var users = []struct{ prefix, user string }{
	{"xs_", "nfs"}, {"svc_", "nfsd"},
	{"nvme_tcp_", "nvme_tcp"}, {"nvmet_tcp_", "nvmet_tcp"}, {"psock_", "kcm"},
	{"iscsi_sw_tcp_", "iscsi_tcp"}, {"iscsi_target_", "iscsi_target"}, {"rds_tcp_", "rds_tcp"}, {"smc_", "smc"},
	{"ceph_sock_", "libceph"}, {"o2net_", "ocfs2"}, {"lowcomms_", "dlm"}, {"siw_", "siw"},
}

// KernelUser is the part of the kernel whose function is called when data comes for a
// socket: symbol is what the kernel prints of it, "nvme_tcp_data_ready [nvme_tcp]". Empty
// where that is common to all sockets, or to all with TLS.
func KernelUser(symbol string) string {
	function, module, ofModule := strings.Cut(strings.TrimSuffix(symbol, "]"), " [")
	if module == "tls" {
		return ""
	}
	for _, u := range users {
		if strings.HasPrefix(function, u.prefix) {
			return u.user
		}
	}
	if ofModule {
		return module
	}
	return ""
}

// IsKernelUser reports whether KernelUser answers with name, and no task is called so: nfsd is
// a thread too, and of other modules nothing is known.
func IsKernelUser(name string) bool {
	for _, u := range users {
		if u.user == name && name != "nfsd" {
			return true
		}
	}
	return false
}

// SymbolOf is what the programs have noted of a place.
func SymbolOf(u *object.KtlsUser) string {
	var b strings.Builder
	for _, c := range u.Symbol {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}
