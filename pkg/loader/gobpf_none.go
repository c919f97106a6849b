//go:build !gobpf

package loader

const haveGobpf = false

func newGobpfBackend() backend { panic("built without gobpf") }
