package facts

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// reason is a short form of an error.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doctor.Missing
	case errors.Is(err, fs.ErrPermission):
		return "not allowed"
	case errors.Is(err, os.ErrInvalid):
		return "no regular file"
	case errors.Is(err, errTooMuch), errors.Is(err, errChroot), errors.Is(err, errOdd):
		return err.Error()
	}
	return "it cannot be read"
}

// ktlsOption returns the KTLS setting in a list of OpenSSL's options; the last one
// counts.
func ktlsOption(list string) (is doctor.Tri) {
	for _, o := range strings.Split(list, ",") {
		switch strings.ToLower(strings.TrimSpace(o)) {
		case "ktls", "+ktls":
			is = doctor.Yes
		case "-ktls":
			is = doctor.No
		}
	}
	return is
}

// fromCwd resolves a path as the process does.
func (s *scene) fromCwd(file string) string {
	if path.IsAbs(file) {
		return file
	}
	cwd, err := os.Readlink(s.path("proc", s.viewer, "cwd"))
	if err != nil {
		return file
	}
	return path.Join(cwd, file)
}

// option returns the words after each occurrence of one of the flags, in order.
func option(words []string, flag string) (values []string) {
	for i, w := range words {
		if w == flag && i+1 < len(words) {
			values = append(values, words[i+1])
		}
	}
	return values
}
