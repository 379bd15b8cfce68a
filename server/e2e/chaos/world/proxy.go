//go:build unix

package world

import (
	"net"
	"sync"
	"time"
)

// Mode is what a proxy does with what passes one way.
type Mode int

// The modes. What is swallowed is gone, so the connection is ended before the way is open again: TCP never leaves a hole.
// What is held comes later, as after a partition that TCP outlasts.
const (
	Pass Mode = iota
	Hold
	Swallow
)

// Condition is how a proxy treats its connections.
type Condition struct {
	Up, Down Mode          // to Redis, and from it
	Delay    time.Duration // of each piece, both ways
	Refuse   bool          // no new connections, and the old ones are cut
}

// Proxy is the way of one server to one node. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	to       string
	ports    map[int]int

	mu        sync.Mutex
	condition Condition
	changed   chan struct{} // closed, and replaced, when the condition changes
	links     map[*link]struct{}
	closed    bool
	running   sync.WaitGroup
}

// link is one connection through a proxy.
type link struct {
	near, far net.Conn
	hole      bool // something was swallowed
	half      bool // the far side is closed, and the near one does not know
}

func newProxy(port int, to string, ports map[int]int) (*Proxy, error) {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, to: to, ports: ports, changed: make(chan struct{}), links: map[*link]struct{}{}}
	p.running.Go(p.accept)
	return p, nil
}

// Set changes how the connections are treated.
func (p *Proxy) Set(c Condition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if c.Refuse || l.hole && c.Up != Swallow && c.Down != Swallow {
			l.cut()
		}
	}
	p.condition = c
	close(p.changed)
	p.changed = make(chan struct{})
}

// HalfOpen ends all connections on the side of Redis, and lets the server believe that they are there, until Heal.
func (p *Proxy) HalfOpen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.half = true
		_ = l.far.Close() // whatever it says, it is closed
	}
}

// Cut ends all connections, at both ends.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Heal passes everything on again, and ends the connections that have a hole or are half open.
func (p *Proxy) Heal() {
	p.mu.Lock()
	for l := range p.links {
		if l.half {
			l.cut()
		}
	}
	p.mu.Unlock()
	p.Set(Condition{})
}

func (p *Proxy) close() {
	_ = p.listener.Close() // whatever it says, it is closed
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Set(Condition{Refuse: true})
	p.running.Wait()
}

func (l *link) cut() {
	for _, c := range []net.Conn{l.near, l.far} {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // so that what is under way is lost
		}
		_ = c.Close() // whatever it says, it is closed
	}
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(near) })
	}
}

func (p *Proxy) serve(near net.Conn) {
	p.mu.Lock()
	refuse := p.condition.Refuse || p.closed
	p.mu.Unlock()
	if refuse {
		_ = near.Close() // nothing was passed on
		return
	}
	far, err := net.DialTimeout("tcp", p.to, patience)
	if err != nil {
		_ = near.Close() // nothing was passed on
		return
	}
	l := &link{near: near, far: far}
	p.mu.Lock()
	if p.closed || p.condition.Refuse {
		p.mu.Unlock()
		l.cut()
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, far, near, func(c Condition) Mode { return c.Up }, nil) })
	both.Go(func() { p.pass(l, near, far, func(c Condition) Mode { return c.Down }, &rewriter{ports: p.ports}) })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	l.cut()
}

// pass passes on what comes from one side of a link to the other, as the condition says.
func (p *Proxy) pass(l *link, to, from net.Conn, mode func(Condition) Mode, rewrite *rewriter) {
	pieces := make(chan piece, 64)
	var writing sync.WaitGroup
	writing.Go(func() { p.write(l, to, pieces, mode, rewrite) })
	defer writing.Wait()
	defer close(pieces)
	for {
		buffer := make([]byte, 32<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			pieces <- piece{buffer[:n], time.Now()}
		}
		if err != nil {
			return
		}
	}
}

// piece is what was read at once.
type piece struct {
	bytes []byte
	at    time.Time
}

func (p *Proxy) write(l *link, to net.Conn, pieces <-chan piece, mode func(Condition) Mode, rewrite *rewriter) {
	alive := true
	for piece := range pieces {
		if !alive {
			continue // until the reader has ended
		}
		c, passes := p.wait(l, mode)
		if !passes {
			continue
		}
		if c.Delay > 0 {
			time.Sleep(time.Until(piece.at.Add(c.Delay)))
		}
		bytes := piece.bytes
		if rewrite != nil {
			bytes = rewrite.next(bytes)
		}
		if _, err := to.Write(bytes); err != nil {
			alive = false
			p.broken(l)
		}
	}
	p.broken(l)
}

// wait waits while what passes one way is held. It returns how to treat it then, and whether to pass it on at all.
func (p *Proxy) wait(l *link, mode func(Condition) Mode) (c Condition, passes bool) {
	for {
		p.mu.Lock()
		c, changed := p.condition, p.changed
		if l.half || p.closed {
			p.mu.Unlock()
			return c, false
		}
		if mode(c) == Swallow {
			l.hole = true
		}
		p.mu.Unlock()
		switch mode(c) {
		case Pass:
			return c, true
		case Swallow:
			return c, false
		}
		<-changed
	}
}

// broken ends a link of which one side has ended, unless the other is not to know.
func (p *Proxy) broken(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !l.half {
		_ = l.near.Close() // whatever they say, they are closed
		_ = l.far.Close()
	}
}
