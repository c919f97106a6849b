//go:build !gobpf && linux && (amd64 || arm64)

package loader

const haveGobpf = false

func newGobpfBackend() backend { panic("built without gobpf") }
