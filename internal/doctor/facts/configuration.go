package facts

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// reason is an error in few words.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doctor.Missing
	case errors.Is(err, fs.ErrPermission):
		return "not allowed"
	case errors.Is(err, os.ErrInvalid):
		return "no regular file"
	}
	return "it cannot be read"
}

// fromCwd is a path as the process means it.
func (s *scene) fromCwd(file string) string {
	if path.IsAbs(file) {
		return file
	}
	cwd, err := os.Readlink(s.path("proc", s.pid, "cwd"))
	if err != nil {
		return file
	}
	return path.Join(cwd, file)
}

// glob finds files of the process's root.
func (s *scene) glob(pattern string) (found []string) {
	root := s.inside("/")
	names, _ := filepath.Glob(s.inside(pattern)) // a bad pattern matches nothing
	for _, n := range names {
		found = append(found, "/"+strings.TrimPrefix(strings.TrimPrefix(n, root), "/"))
	}
	return found
}

// option returns the word behind one of the flags, all of them in their order.
func option(words []string, flag string) (values []string) {
	for i, w := range words {
		if w == flag && i+1 < len(words) {
			values = append(values, words[i+1])
		}
	}
	return values
}
