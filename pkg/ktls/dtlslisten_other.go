//go:build !linux

package ktls

import (
	"context"
	"net"
)

// listenShared: a port that connected sockets share with an unconnected one is Linux's way.
func listenShared(context.Context, string, string) (*net.UDPConn, error) { return nil, errPlatform }

func connectShared(*net.UDPConn, datagram) (*net.UDPConn, []datagram, error) {
	return nil, nil, errPlatform
}

func receiveFrom(*net.UDPConn, []byte) (datagram, error) { return datagram{}, errPlatform }

func isTransient(error) bool { return false }
