package redistest

import (
	"net"
	"sync"
	"testing"
)

// Proxy is a road to a server that can be broken: it passes on what connections bring, until it is told otherwise.
type Proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]*pipe // both ends of each connection
	work  sync.WaitGroup
}

// pipe is one connection through a proxy.
type pipe struct {
	near, distant net.Conn
	lost          chan struct{} // closed when nothing passes any more
}

// StartProxy returns a proxy that listens on a free port of 127.0.0.1 and passes on to an address. It ends with the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return StartProxyOn(t, "127.0.0.1:0", target)
}

// StartProxyOn is [StartProxy] with an address to listen on.
func StartProxyOn(t testing.TB, listen, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatalf("start a proxy: %v", err)
	}
	p := &Proxy{listener: listener, target: target, conns: map[net.Conn]*pipe{}}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
		p.work.Wait()
	})
	return p
}

// Addr returns the host and port that the proxy listens on.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut ends all connections. Others can be made.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.near.Close()
		_ = c.distant.Close()
	}
}

// Lose has all connections stay open, and nothing pass through them any more, as where a host or a route between has gone
// without a word. Others can be made, and work.
func (p *Proxy) Lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		select {
		case <-c.lost:
		default:
			close(c.lost)
		}
	}
}

// Conns returns how many connections are open.
func (p *Proxy) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		distant, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		c := &pipe{near, distant, make(chan struct{})}
		p.mu.Lock()
		p.conns[near] = c
		p.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { c.pass(distant, near) })
		both.Go(func() { c.pass(near, distant) })
		p.work.Go(func() {
			both.Wait()
			p.mu.Lock()
			delete(p.conns, near)
			p.mu.Unlock()
		})
	}
}

// pass copies bytes until an end is closed; those of a lost connection are swallowed.
func (c *pipe) pass(to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-c.lost:
			if err != nil { // the other end must not hear of it, but must not stay for ever either
				_ = from.Close()
				return
			}
			continue
		default:
		}
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}
