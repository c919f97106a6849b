//go:build gobpf

package learn

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// knowledgeVersion changes when the programs want to know something else.
const knowledgeVersion = 1

// Kernel returns what was learned of this kernel, now or earlier.
func Kernel(k *Symbols) (*Knowledge, error) {
	file := cacheFile()
	known := readKnowledge(file)
	p, err := newProber(k, known == nil)
	if err != nil {
		return nil, err
	}
	defer p.close()
	bases := readBases(p, k)
	if known == nil {
		if known, err = learn(p, bases); err != nil {
			return nil, err
		}
		if bases.offset != 0 { // without, some of it could not be learned, and may be another time
			writeKnowledge(file, known)
		}
	}
	known.Settings["page_offset_base"], known.Settings["vmemmap_base"] = bases.offset, bases.vmemmap
	known.Settings["page_shift"] = uint64(bits.TrailingZeros(uint(object.PageSize)))
	if bases.offset == 0 {
		known.Missing = append(known.Missing, "page addresses: no payload, and no details of alerts and handshake records (sysctl kernel.kptr_restrict=1)")
	}
	return known, nil
}

func readBases(p *prober, k *Symbols) (b pageBases) {
	read := func(name string) uint64 {
		if k.variables[name] == 0 {
			return 0
		}
		return p.peek(k.variables[name], 8).u64(0)
	}
	b = pageBases{read(object.PageVariables[0]), read(object.PageVariables[1])}
	if b.offset == 0 || b.vmemmap == 0 {
		return pageBases{}
	}
	return b
}

// cacheDir is root's own: with sudo the user's home may be another's, whose word would then say
// where to read in the kernel.
const cacheDir = "/var/cache/ktlstop"

// cacheFile is named after this very build of the kernel and of its module tls; empty if there is
// nowhere to keep it.
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

// readKnowledge returns nil where there is none: it can be learned again.
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

// writeKnowledge keeps it for the next run; a run can do without.
func writeKnowledge(file string, k *Knowledge) {
	b, err := json.MarshalIndent(k, "", "\t")
	if err != nil || file == "" || os.MkdirAll(filepath.Dir(file), 0o755) != nil {
		return
	}
	temp := file + ".new"
	if errors.Join(os.WriteFile(temp, b, 0o644), os.Rename(temp, file)) != nil {
		_ = os.Remove(temp) // it may not be there
	}
}
