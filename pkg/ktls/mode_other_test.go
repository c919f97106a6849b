//go:build !linux

package ktls

func kernelRekeys() bool { return false }
