package programs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// own is a directory of a user of the tree, with the world's key in it.
func (w *world) own(t *testing.T, user string) (dir, key string, id *syscall.Credential) {
	t.Helper()
	id = w.trixie.user(t, user)
	dir = filepath.Join(w.dir, user)
	must(t, os.Mkdir(dir, 0o700))
	secret, err := os.ReadFile(w.key)
	must(t, err)
	key = filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(key, secret, 0o600))
	for _, name := range []string{dir, key} {
		must(t, os.Chown(name, int(id.Uid), int(id.Gid)))
	}
	return dir, key, id
}

// user looks a user of the tree up.
func (r *root) user(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "etc/passwd"))
	must(t, err)
	for line := range strings.Lines(string(b)) {
		f := strings.Split(line, ":")
		if f[0] != name {
			continue
		}
		uid, err := strconv.ParseUint(f[2], 10, 32)
		must(t, err)
		gid, err := strconv.ParseUint(f[3], 10, 32)
		must(t, err)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	t.Fatalf("%s has no user %s", r.dir, name)
	return nil
}
