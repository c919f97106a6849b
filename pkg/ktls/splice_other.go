//go:build !linux

package ktls

import "io"

func (k *kernelLayer) spliceOut(dst io.Writer, limit int64) (int64, error) {
	return k.copyOut(dst, limit)
}
