package ktls

import "golang.org/x/sys/unix"

// kernelRekeys reports what the running kernel's version promises, for the tests to hold the
// package's own probe against.
func kernelRekeys() bool { return kernelIs(6, 14) }

// kernelLimitsPayload says the same of TLS_TX_MAX_PAYLOAD_LEN.
func kernelLimitsPayload() bool { return kernelIs(6, 19) }

// kernelIs reports whether the running kernel has this version, or a newer one.
func kernelIs(wantMajor, wantMinor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	for i, field := 0, &major; i < len(u.Release); i++ {
		switch c := u.Release[i]; {
		case c >= '0' && c <= '9':
			*field = *field*10 + int(c-'0')
		case c == '.' && field == &major:
			field = &minor
		default:
			return major > wantMajor || major == wantMajor && minor >= wantMinor
		}
	}
	return false
}
