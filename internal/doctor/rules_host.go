package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

var hostRules = []Rule{
	{ID: "KT001", Title: "the kernel has no kernel TLS", host: noKernelTLS},
	{ID: "KT002", Title: "the module tls is not loaded", host: moduleNotLoaded},
	{ID: "KT003", Title: "the kernel lacks a cipher", host: cipherLacks},
	{ID: "KT004", Title: "the kernel is in FIPS mode", host: fips},
	{ID: "KT005", Title: "the kernel counts errors of kernel TLS", host: counters},
	{ID: "KT006", Title: "a network card could seal records, and does not", host: cardOff},
	{ID: "KT007", Title: "NFS wants TLS, and tlshd does not run", host: noTlshd},
	{ID: "KT008", Title: "the kernel hides what ktlstop needs", host: hidden},
}

func noKernelTLS(f *Facts) *conclusion {
	if f.Host.TLS != Absent {
		return nil
	}
	return conclude(Error, "use a kernel with CONFIG_TLS=m or =y; on Debian linux-image-amd64 has it",
		"this kernel (%s) has no kernel TLS: the module tls is neither loaded nor built in, nor installed", f.Host.Kernel)
}

func moduleNotLoaded(f *Facts) *conclusion {
	switch {
	case f.Host.TLS != Loadable:
		return nil
	case f.Host.NoModules:
		return conclude(Error, "load it before modules are locked: echo tls > /etc/modules-load.d/tls.conf, and start the machine anew",
			"the module tls is not loaded, and this kernel loads no modules any more (kernel.modules_disabled)")
	}
	return conclude(Warning, "modprobe tls; for each start: echo tls > /etc/modules-load.d/tls.conf",
		"the module tls is not loaded: only a program with CAP_NET_ADMIN in the initial user namespace loads it by asking for kernel TLS")
}

// cipherLacks is about ciphers that libraries hand over by default.
func cipherLacks(f *Facts) *conclusion {
	var lacks, modules []string
	for _, c := range f.Host.Ciphers {
		if c.State == Absent {
			lacks, modules = append(lacks, c.Name), append(modules, c.Module)
		}
	}
	if lacks == nil {
		return nil
	}
	return conclude(Warning, "install a kernel package that has the module "+strings.Join(modules, ", "),
		"this kernel has no %s, neither built in nor as a module: it refuses keys of that kind with ENOENT", strings.Join(lacks, " and no "))
}

func fips(f *Facts) *conclusion {
	if !f.Host.FIPS {
		return nil
	}
	return conclude(Note, "for ChaCha20-Poly1305 expect user space, or leave it out of the ciphers",
		"the kernel is in FIPS mode: it refuses ChaCha20-Poly1305, and programs in FIPS mode may avoid kernel TLS, where crypto is not that of their module")
}

// alarming are counters of /proc/net/tls_stat that count failures.
var alarming = []string{"TlsDecryptError", "TlsRxNoPadViolation", "TlsRxRekeyError", "TlsTxRekeyError"}

func counters(f *Facts) *conclusion {
	sum := map[string]uint64{}
	for _, ns := range f.Host.Namespaces {
		for _, name := range alarming {
			if n := ns.Stat[name]; n > 0 {
				sum[name] += n
			}
		}
	}
	if len(sum) == 0 {
		return nil
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(sum)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, sum[name]))
	}
	return conclude(Note, "ktlstop trace shows each error with its connection and, where something follows, its reason",
		"since the machine started kernel TLS has failed now and then: %s", strings.Join(parts, ", "))
}

func cardOff(f *Facts) *conclusion {
	var names []string
	for _, n := range f.Host.NICs {
		if !n.TX && !n.FixedTX || !n.RX && !n.FixedRX {
			names = append(names, n.Name)
		}
	}
	if names == nil {
		return nil
	}
	return conclude(Note, "ethtool -K "+names[0]+" tls-hw-tx-offload on tls-hw-rx-offload on, for connections made afterwards",
		"%s could seal or open records, and the feature is switched off", strings.Join(names, ", "))
}

func noTlshd(f *Facts) *conclusion {
	if len(f.Host.Mounts) == 0 || f.Host.Tlshd {
		return nil
	}
	return conclude(Warning, "install ktls-utils and start tlshd; its reasons are in its log (loglevel=9, tls=9 in tlshd.conf)",
		"%s is mounted with TLS, and tlshd, which makes the handshake, does not run: it cannot connect anew", cmp.Or(f.Host.Mounts...))
}

// hidden is about ktlstop, and no obstacle for kernel TLS.
func hidden(f *Facts) *conclusion {
	switch {
	case f.Host.BTF == Absent || f.Host.ModuleBTF == Absent:
		return conclude(Note, "use a kernel with CONFIG_DEBUG_INFO_BTF=y, or a ktlstop with the gobpf backend",
			"this kernel has no type information: kernel TLS does without, ktlstop trace and doctor --watch do not")
	case f.Host.Symbols == No:
		return conclude(Note, "sysctl kernel.kptr_restrict=1, while ktlstop runs",
			"/proc/kallsyms shows no addresses: kernel TLS does without, ktlstop shows no plaintext and no details of alerts")
	}
	return nil
}
