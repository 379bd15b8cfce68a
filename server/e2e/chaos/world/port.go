//go:build unix

package world

import (
	"fmt"
	"net"
	"strconv"
)

// The ports that are used lie below those that systems give to outgoing connections, and have five digits each, so that
// one can be put in the place of another in a text without changing its length. A node of a Cluster listens 10000 above
// its port, too.
const (
	firstPort = 10_000
	lastPort  = 19_999
)

// ports gives out ports at which nobody listens.
type ports struct {
	next func(n int) int // a number below n
	used map[int]bool
}

func (p *ports) free() (int, error) {
	for range 1000 {
		port := firstPort + p.next(lastPort-firstPort+1)
		if p.used[port] || !listens(port) || !listens(port+10_000) {
			continue
		}
		p.used[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("no port of %d to %d is free on 127.0.0.1", firstPort, lastPort)
}

func listens(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
