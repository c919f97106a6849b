package ktls

import "golang.org/x/sys/unix"

// kernelRekeys tells what the running kernel's version promises, for the tests to hold the
// package's own probe against.
func kernelRekeys() bool {
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
			return major > 6 || major == 6 && minor >= 14
		}
	}
	return false
}
