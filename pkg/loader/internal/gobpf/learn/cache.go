//go:build gobpf

package learn

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// knowledgeVersion changes when the programs need to know something else.
const knowledgeVersion = 1

// Kernel returns the knowledge of this kernel, learned now or earlier.
func Kernel(k *Symbols) (*Knowledge, error) {
	file := cacheFile()
	known := readKnowledge(file)
	p, err := newProber(k, known == nil)
	if err != nil {
		return nil, err
	}
	defer p.close()
	pages := readPages(p, k)
	if known == nil {
		if known, err = learn(p, pages); err != nil {
			return nil, err
		}
		if pages.Direct != 0 { // without: some of it could not be learned, but may be another time
			writeKnowledge(file, known)
		}
	}
	known.Settings["page_offset_base"], known.Settings["vmemmap_base"] = pages.Direct, pages.Structs
	known.Settings["page_shift"] = uint64(object.PageShift())
	if pages.Direct == 0 {
		known.Missing = append(known.Missing, "page addresses: no payload, and no details of alerts and handshake records (sysctl kernel.kptr_restrict=1)")
	}
	return known, nil
}

// readPages returns zeros if the kernel hides its symbols.
func readPages(p *prober, k *Symbols) object.Pages {
	pages, err := object.ReadPages(func(name string) (uint64, error) {
		v := uint64(0)
		if at := k.variables[name]; at != 0 {
			v = p.peek(at, 8).u64(0)
		}
		if v == 0 {
			return 0, errors.New("the kernel hides " + name)
		}
		return v, nil
	})
	if err != nil {
		return object.Pages{}
	}
	return pages
}

// cacheDir is root's own: with sudo, the user's home may belong to another user, whose files
// would then decide where to read in the kernel.
const cacheDir = "/var/cache/ktlstop"

// cacheFile has the name of this exact build of the kernel and of its module tls; empty if there
// is no place for it.
func cacheFile() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	id, _ := os.ReadFile("/sys/module/tls/notes/.note.gnu.build-id") // absent where TLS is built in
	build := sha256.Sum256(fmt.Appendf(id, "%s %s", u.Release, u.Version))
	name := fmt.Sprintf("layout-%d-%s-%x.json", knowledgeVersion, unix.ByteSliceToString(u.Release[:]), build[:8])
	return filepath.Join(cacheDir, name)
}

// readKnowledge returns nil if there is none: it can be learned again.
func readKnowledge(file string) *Knowledge {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var k Knowledge
	if json.Unmarshal(b, &k) != nil || k.Layout == nil || k.Layout.Fields == nil || k.Settings == nil {
		return nil
	}
	return &k
}

// writeKnowledge keeps it for the next run; a run works without it.
func writeKnowledge(file string, k *Knowledge) {
	b, err := json.MarshalIndent(k, "", "\t")
	if err != nil || file == "" || os.MkdirAll(filepath.Dir(file), 0o755) != nil {
		return
	}
	temp := file + ".new"
	if errors.Join(os.WriteFile(temp, b, 0o644), os.Rename(temp, file)) != nil {
		_ = os.Remove(temp) // it may be missing
	}
}
