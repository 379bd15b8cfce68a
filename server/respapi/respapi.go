// Package respapi is the door for clients of Redis: it reads commands in RESP2 or RESP3, puts checks to the engine and
// changes to control, and writes what they answer.
//
// It decides nothing about limits and keeps no key: it is no Redis, and knows the commands only by which clients connect,
// redis-cell's CL.THROTTLE, and Sluice's own, which begin with SL. Checks that a client sends without waiting for their answers
// are decided together as far as they arrived together, and answered in one write.
//
// What a client can have done to the server is bounded: the size of a command, how many connections there are, how much is held
// for one that is quiet and for all, how long one may take to give the password, to send the rest of a command, and to read its
// answers. It imports the engine, control,
// access and the core package; no other door and no store.
package respapi

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/access"
)

// Config is what a [Door] can be told. The zero Config works.
type Config struct {
	// Password is what clients must give before anything else, by AUTH or HELLO, or a token in its place; who has given it is
	// an administrator. The default is none.
	Password string
	// Tokens are what a client can show, by AUTH or HELLO, to have the role of one. The default is none.
	Tokens *access.Book
	// TLS has the door speak TLS and nothing else. The default is not to.
	TLS *tls.Config
	// MaxClients is how many connections there can be at once; 10,000 by default.
	MaxClients int
	// IdleTime is how long a client may have nothing to say, in whole seconds. The default is for ever.
	IdleTime time.Duration
	// Version is that of the server, for clients who ask. The default is "".
	Version string
	// Logger is told of what should not happen, never of single commands. The default discards.
	Logger *slog.Logger
}

// Options are the settings of the door that may change while it is open.
type Options struct {
	// AllowInlineLimits lets clients use CL.THROTTLE, which brings limits along, who have proved nothing and may come from
	// another machine.
	AllowInlineLimits bool
	// ChecksNeedToken has clients show a token, or a certificate, before anything else.
	ChecksNeedToken bool
}

const defaultMaxClients = 10_000

// How long a client may take, in seconds.
const (
	// loginTime is for the password, and the handshake of TLS before it.
	loginTime = 10
	// commandTime is for the rest of a command of which a part has arrived.
	commandTime = 30
	// writeTime is for taking the answers.
	writeTime = 10
)

// lingerTime is how long a connection that the server ends stays open for the client to close it, so that what was answered
// arrives; and how long one that is open when the server stops has to send a last command.
const lingerTime = time.Second

// lingerBytes is how much is taken from such a client meanwhile: more than one that waits for answers has under way.
const lingerBytes = 1 << 20

// Door is what serves the connections. It is safe for concurrent use.
type Door struct {
	engine   *engine.Engine
	control  *control.Control
	config   Config
	password [sha256.Size]byte // its digest
	commands map[string]*command
	rules    rules
	options  atomic.Pointer[Options]
	stats    counters
	began    time.Time
	seconds  atomic.Int64 // since it began, as of the last look at the connections
	wide     atomic.Int64 // how many sessions may hold much
	mostWide int64        // of them

	draining atomic.Bool
	mu       sync.Mutex // guards what is below
	sessions map[*session]struct{}
	open     sync.WaitGroup // the sessions
}

// counters are those of [Stats].
type counters struct{ accepted, refused, failedLogins, protocolErrors, timedOut atomic.Int64 }

// Stats is what has happened since the door was made.
type Stats struct {
	// Open is how many connections there are.
	Open int64
	// Accepted is how many there were, Refused how many more were turned away because there were MaxClients already.
	Accepted, Refused int64
	// FailedLogins is how often a wrong password was given.
	FailedLogins int64
	// ProtocolErrors is how many connections ended because of something that is no command.
	ProtocolErrors int64
	// TimedOut is how many were cut because the client took too long.
	TimedOut int64
}

// New returns the door to an engine and to the control of what it decides by.
func New(e *engine.Engine, c *control.Control, config Config, options Options) *Door {
	if config.MaxClients == 0 {
		config.MaxClients = defaultMaxClients
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Door{
		engine: e, control: c, config: config, password: sha256.Sum256([]byte(config.Password)), commands: commandTable(),
		began: time.Now(), mostWide: maxWide, sessions: make(map[*session]struct{}),
	}
	d.Configure(options)
	return d
}

// Configure replaces the options.
func (d *Door) Configure(options Options) { d.options.Store(&options) }

// locked reports whether there is a password.
func (d *Door) locked() bool { return d.config.Password != "" }

// guarded reports whether there is anything by which a client proves who it is.
func (d *Door) guarded() bool { return d.locked() || d.config.Tokens != nil }

// idleDue returns the second after which a client is cut that says nothing from now on; 0 for none.
func (d *Door) idleDue() int64 {
	if d.config.IdleTime == 0 {
		return 0
	}
	return d.seconds.Load() + 1 + int64(d.config.IdleTime/time.Second)
}

// Stats returns what has happened.
func (d *Door) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Stats{
		Open: int64(len(d.sessions)), Accepted: d.stats.accepted.Load(), Refused: d.stats.refused.Load(),
		FailedLogins: d.stats.failedLogins.Load(), ProtocolErrors: d.stats.protocolErrors.Load(), TimedOut: d.stats.timedOut.Load(),
	}
}

// Serve takes connections until the listener is closed; it returns nil then. Loopback says that only this machine reaches
// the listener: a client there needs no password for administration, where there is none.
func (d *Door) Serve(l net.Listener, loopback bool) error {
	watched := make(chan struct{})
	defer close(watched)
	go d.watch(watched)
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			d.take(conn, loopback)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			// The client has gone already, or there are too many open files: those who are there are served on.
			d.config.Logger.Warn("a connection could not be taken", "error", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// take begins a session, where there may be one more.
func (d *Door) take(conn net.Conn, loopback bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.sessions) >= d.config.MaxClients {
		d.stats.refused.Add(1)
		// It fits into what the system buffers for a new connection, so it does not wait. A client of TLS cannot read it.
		_, _ = conn.Write([]byte("-ERR max number of clients reached\r\n"))
		_ = conn.Close()
		return
	}
	s := newSession(d, conn, d.stats.accepted.Add(1), loopback)
	d.sessions[s] = struct{}{}
	if d.draining.Load() {
		_ = conn.SetReadDeadline(time.Now().Add(lingerTime))
	}
	d.open.Go(s.serve)
}

// end forgets a session.
func (d *Door) end(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sessions, s)
	s.narrow()
}

// cut ends the connection, and with it the session's read or write. It does not say so to the client by TLS, which would wait for a
// write that the client does not take.
func (s *session) cut() { _ = s.raw.Close() }

// watch looks once a second at all connections, cuts those whose time is over, and has those let go of memory that need it no
// longer. A deadline for each read and write would
// have to be set each time, which costs as much as a decision.
func (d *Door) watch(done <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		now := int64(time.Since(d.began) / time.Second)
		d.seconds.Store(now)
		d.mu.Lock()
		for s := range d.sessions {
			if due := s.due.Load(); due != 0 && due < now {
				d.stats.timedOut.Add(1)
				s.cut()
			} else if !d.draining.Load() {
				d.calm(s, now)
			}
		}
		d.mu.Unlock()
	}
}

// Shutdown ends all connections, once no listener brings more: each has [lingerTime] to send a last command, is answered and
// closed. Where that has not happened when ctx ends, they are cut off, and it returns ctx's error.
func (d *Door) Shutdown(ctx context.Context) error {
	d.mu.Lock()
	d.draining.Store(true)
	last := time.Now().Add(lingerTime)
	for s := range d.sessions {
		_ = s.conn.SetReadDeadline(last)
	}
	d.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		d.open.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	d.mu.Lock()
	for s := range d.sessions {
		s.cut()
	}
	d.mu.Unlock()
	return ctx.Err()
}
