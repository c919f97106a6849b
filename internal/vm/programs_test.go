package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstallTogether: guests that start together and lack the same program install it once. apt-get
// refuses to run twice at a time.
func TestInstallTogether(t *testing.T) {
	dir := t.TempDir()
	apt := `#!/bin/sh
set -e
cd ` + dir + `
mkdir lock
echo "$@" >>calls
sleep 0.1 # so that a second call would meet the lock
printf '#!/bin/sh\n' >absent-program
chmod +x absent-program
rmdir lock
`
	if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte(apt), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	const guests = 4
	done := make(chan error, guests)
	for range guests {
		go func() { done <- installPrograms(t.Context(), []program{{"absent-program", "absent-package"}}) }()
	}
	for range guests {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil || strings.Count(string(calls), "absent-package\n") != 1 || strings.Count(string(calls), "\n") != 1 {
		t.Errorf("apt-get was called with %q, %v", calls, err)
	}
}
