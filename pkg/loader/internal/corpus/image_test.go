package corpus

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// The formats on a disk: plain types, in an ELF file, compressed, and in an image.
func TestFiles(t *testing.T) {
	kernel := marshal(t, &btf.Struct{Name: "sock", Size: 4, Members: []btf.Member{{Name: "first", Type: u32}}})
	module := splitTypedef(t, kernel, "tls_t")
	for name, files := range map[string][2][]byte{
		"/sys/kernel/btf":          {kernel, module},
		"vmlinux and tls.ko":       {inELF(t, kernel), inELF(t, module)},
		"compressed modules":       {kernel, compressed(t, "gzip", inELF(t, module))},
		"an image of gzip":         {image(compressed(t, "gzip", inELF(t, kernel)), 0), module},
		"an image of xz":           {image(compressed(t, "xz", inELF(t, kernel)), 4), compressed(t, "xz", inELF(t, module))},
		"an image of arm64":        {flat(kernel), module},
		"an image in another gzip": {compressed(t, "gzip", image(compressed(t, "gzip", inELF(t, kernel)), 0)), module},
	} {
		specs, err := Files(write(t, files[0]), write(t, files[1]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var s *btf.Struct
		var d *btf.Typedef
		if err := specs[0].TypeByName("sock", &s); err != nil {
			t.Errorf("%s: the kernel: %v", name, err)
		}
		if err := specs[1].TypeByName("tls_t", &d); err != nil {
			t.Errorf("%s: the module: %v", name, err)
		} else if i, ok := d.Type.(*btf.Int); !ok || i.Name != "u32" {
			t.Errorf("%s: the module's type is %v of the kernel's", name, d.Type)
		}
	}
}

func TestFilesRefused(t *testing.T) {
	kernel := marshal(t, u32)
	cut := image(kernel, 4)
	for name, files := range map[string][2]string{
		"no file":              {filepath.Join(t.TempDir(), "none"), ""},
		"text":                 {write(t, []byte("text")), ""},
		"an empty file":        {write(t, nil), ""},
		"a kernel without BTF": {write(t, inSection(t, ".data", kernel)), ""},
		"an image cut short":   {write(t, cut[:len(cut)-5]), ""},
		"half a gzip":          {write(t, compressed(t, "gzip", kernel)[:20]), ""},
		"text for a module":    {write(t, kernel), write(t, []byte("text"))},
	} {
		if _, err := Files(files[0], files[1]); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// A kernel with TLS built in has no module.
func TestFilesWithoutModule(t *testing.T) {
	if specs, err := Files(write(t, marshal(t, u32)), ""); err != nil || len(specs) != 1 {
		t.Errorf("%d specs, %v", len(specs), err)
	}
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// splitTypedef are the types of a module: their numbers and names continue the
// kernel's. There is one, a name for the kernel's u32.
func splitTypedef(t *testing.T, kernel []byte, name string) []byte {
	t.Helper()
	spec := load(t, kernel)
	var target *btf.Int
	if err := spec.TypeByName("u32", &target); err != nil {
		t.Fatal(err)
	}
	id, err := spec.TypeID(target)
	if err != nil {
		t.Fatal(err)
	}
	names := binary.LittleEndian.Uint32(kernel[20:]) // the length of the kernel's
	const kindTypedef = 8 << 24
	return words(t, uint16(0xeb9f), uint8(1), uint8(0), uint32(24), uint32(0), uint32(12), uint32(12), uint32(len(name)+2),
		names+1, uint32(kindTypedef), uint32(id), []byte("\x00"+name+"\x00"))
}

func words(t *testing.T, values ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, v := range values {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func inELF(t *testing.T, types []byte) []byte { return inSection(t, ".BTF", types) }

// inSection is an ELF file without symbols, as a kernel's payload is.
func inSection(t *testing.T, name string, content []byte) []byte {
	names := "\x00.shstrtab\x00" + name + "\x00"
	const headers = 64
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Ehsize: headers, Shoff: headers, Shentsize: 64, Shnum: 3, Shstrndx: 1}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	const data = headers + 3*64
	return words(t, h, elf.Section64{},
		elf.Section64{Name: 1, Type: uint32(elf.SHT_STRTAB), Off: data, Size: uint64(len(names))},
		elf.Section64{Name: uint32(len("\x00.shstrtab\x00")), Type: uint32(elf.SHT_PROGBITS), Off: data + uint64(len(names)), Size: uint64(len(content))},
		[]byte(names), content)
}

func compressed(t *testing.T, program string, b []byte) []byte {
	t.Helper()
	if program == "gzip" {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Write(b)
		w.Close()
		return out.Bytes()
	}
	cmd := exec.Command(program, "-c")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return out
}

// image is a bzImage: a sector, two more of real-mode code, some of the loader,
// the payload with as many bytes behind it as its length takes, and a rest.
func image(payload []byte, behind int) []byte {
	const sects, before = 2, 100
	const setupSects, headerMagic, payloadOffset, payloadLength = 0x1f1, 0x202, 0x248, 0x24c // boot.rst
	b := make([]byte, (sects+1)*512+before)
	b[setupSects] = sects
	copy(b[headerMagic:], "HdrS")
	binary.LittleEndian.PutUint32(b[payloadOffset:], before)
	binary.LittleEndian.PutUint32(b[payloadLength:], uint32(len(payload)+behind))
	b = append(b, payload...)
	return append(b, make([]byte, behind+3)...)
}

// flat is an image for arm64: types somewhere in it, after bytes that only resemble
// them.
func flat(types []byte) []byte {
	b := make([]byte, 4096)
	copy(b[56:], "ARM\x64")
	decoy := append([]byte(nil), types[:24]...)
	binary.LittleEndian.PutUint32(decoy[20:], 1<<30) // strings beyond the image's end
	b = append(append(append(b, decoy...), 0, 0, 0, 0, 0, 0, 0, 0), types...)
	return append(b, make([]byte, 100)...)
}
