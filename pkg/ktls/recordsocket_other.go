//go:build !linux

package ktls

import "net"

func newRecordSocket(net.Conn) (recordSocket, error) { return nil, errPlatform }
