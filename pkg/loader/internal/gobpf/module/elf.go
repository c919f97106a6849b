package module

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// writeObject writes relocated programs as the object file that gobpf's elf package
// reads: one section for each map with its own bpf_map_def, one for each program, and
// relocations that refer only to maps.
func writeObject(spec *ebpf.CollectionSpec) ([]byte, error) {
	var w elfWriter
	w.add("", elf.SHT_NULL, nil, 0, 0)
	w.add("license", elf.SHT_PROGBITS, append([]byte(licenseOf(spec)), 0), 0, 0)
	// 0xFFFFFFFE: the version of the running kernel.
	w.add("version", elf.SHT_PROGBITS, binary.NativeEndian.AppendUint32(nil, 0xFFFFFFFE), 0, 0)
	symbols := map[string]int{} // of maps, by name
	for i, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		section := w.add("maps/"+name, elf.SHT_PROGBITS, mapDef(spec.Maps[name]), 0, 0)
		w.symbol(name, section)
		symbols[name] = i + 1
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		if err := w.program(spec.Programs[name], symbols); err != nil {
			return nil, err
		}
	}
	return w.bytes(), nil
}

// licenseOf is the object's license, which its programs share.
func licenseOf(spec *ebpf.CollectionSpec) string {
	for _, p := range spec.Programs {
		return p.License
	}
	return ""
}

// mapDef is struct bpf_map_def of gobpf's elf/include/bpf_map.h, not pinned.
func mapDef(m *ebpf.MapSpec) []byte {
	var b []byte
	for _, v := range []uint32{uint32(m.Type), m.KeySize, m.ValueSize, m.MaxEntries, m.Flags, 0} {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return append(b, make([]byte, 256)...)
}

// elfWriter lays out a relocatable 64-bit object.
type elfWriter struct {
	headers []elf.Section64
	names   []string
	data    [][]byte
	symtab  bytes.Buffer
	strtab  bytes.Buffer
}

func (w *elfWriter) add(name string, typ elf.SectionType, data []byte, info, entsize int) int {
	w.names = append(w.names, name)
	w.data = append(w.data, data)
	w.headers = append(w.headers, elf.Section64{Type: uint32(typ), Size: uint64(len(data)), Info: uint32(info), Entsize: uint64(entsize), Addralign: 8})
	return len(w.headers) - 1
}

func (w *elfWriter) symbol(name string, section int) {
	if w.strtab.Len() == 0 {
		w.strtab.WriteByte(0)
		put(&w.symtab, elf.Sym64{})
	}
	put(&w.symtab, elf.Sym64{Name: uint32(w.strtab.Len()), Shndx: uint16(section),
		Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT)})
	w.strtab.WriteString(name + "\x00")
}

// program writes the code and, for each use of a map, a relocation.
func (w *elfWriter) program(p *ebpf.ProgramSpec, symbols map[string]int) error {
	var code, relocations bytes.Buffer
	for it := p.Instructions.Iterate(); it.Next(); {
		if !it.Ins.IsLoadFromMap() {
			continue
		}
		symbol := symbols[it.Ins.Reference()]
		if symbol == 0 || it.Ins.Src == asm.PseudoMapValue {
			return fmt.Errorf("write %s: %q is no map: gobpf knows no global variables", p.Name, it.Ins.Reference())
		}
		it.Ins.Constant = 0 // gobpf puts the map's descriptor there
		put(&relocations, elf.Rel64{Off: it.Offset.Bytes(), Info: elf.R_INFO(uint32(symbol), 1)})
	}
	if err := p.Instructions.Marshal(&code, p.ByteOrder); err != nil {
		return fmt.Errorf("write %s: %w", p.Name, err)
	}
	section := w.add(p.SectionName, elf.SHT_PROGBITS, code.Bytes(), 0, 0)
	if relocations.Len() > 0 {
		w.add(".rel"+p.SectionName, elf.SHT_REL, relocations.Bytes(), section, 16)
	}
	return nil
}

func put(b *bytes.Buffer, v any) {
	// Values of fixed size into memory: this cannot fail.
	_ = binary.Write(b, binary.NativeEndian, v)
}

func (w *elfWriter) bytes() []byte {
	strtab := w.add(".strtab", elf.SHT_STRTAB, w.strtab.Bytes(), 0, 0)
	symtab := w.add(".symtab", elf.SHT_SYMTAB, w.symtab.Bytes(), 1, 24)
	shstrtab := w.add(".shstrtab", elf.SHT_STRTAB, nil, 0, 0)
	var names bytes.Buffer
	for i, name := range w.names {
		w.headers[i].Name = uint32(names.Len())
		names.WriteString(name + "\x00")
		if t := elf.SectionType(w.headers[i].Type); t == elf.SHT_REL {
			w.headers[i].Link = uint32(symtab)
		}
	}
	w.headers[symtab].Link = uint32(strtab)
	w.data[shstrtab], w.headers[shstrtab].Size = names.Bytes(), uint64(names.Len())
	return w.assemble(shstrtab)
}

const elfHeaderSize, sectionHeaderSize = 64, 64

func (w *elfWriter) assemble(shstrtab int) []byte {
	var body bytes.Buffer
	for i, d := range w.data {
		for body.Len()%8 != 0 {
			body.WriteByte(0)
		}
		w.headers[i].Off = uint64(elfHeaderSize + body.Len())
		body.Write(d)
	}
	for body.Len()%8 != 0 {
		body.WriteByte(0)
	}
	h := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_BPF), Version: 1, Ehsize: elfHeaderSize,
		Shoff: uint64(elfHeaderSize + body.Len()), Shentsize: sectionHeaderSize, Shnum: uint16(len(w.headers)), Shstrndx: uint16(shstrtab)}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	var out bytes.Buffer
	put(&out, h)
	out.Write(body.Bytes())
	for _, s := range w.headers {
		put(&out, s)
	}
	return out.Bytes()
}
