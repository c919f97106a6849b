//go:build !linux

package ktls

func kernelRekeys() bool { return false }

func kernelLimitsPayload() bool { return false }
