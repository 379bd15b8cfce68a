package respapi

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice/server/access"
)

// session is one connection.
type session struct {
	door     *Door
	conn     net.Conn
	raw      net.Conn // what is below TLS, else conn
	id       int64
	loopback bool
	due      atomic.Int64 // the second, as the door counts, after which it is cut; 0 for none

	proof        // who it is
	leaving bool // it is to end once what was answered is sent
	name    string

	in      []byte // what was read and not parsed yet is its beginning
	filled  int    // how much that is
	parser  parser
	pending pending
	recent  recent
	reply   reply

	much   bool         // what it is answered just now needs it to hold much
	wide   bool         // it may hold much
	held   atomic.Int64 // the second, as the door counts, in which it last needed to hold much; 0 where it holds little
	calmed bool         // its read was ended to have it let go of that; guarded by the door's mu
}

func newSession(d *Door, conn net.Conn, id int64, loopback bool) *session {
	raw := conn
	if d.config.TLS != nil {
		conn = tls.Server(conn, d.config.TLS)
	}
	s := &session{door: d, conn: conn, raw: raw, id: id, loopback: loopback, in: make([]byte, firstBuffer)}
	s.forget()
	if !s.known() || d.config.TLS != nil {
		s.due.Store(d.seconds.Load() + 1 + loginTime)
	}
	return s
}

// serve answers until the client goes, or has to.
func (s *session) serve() {
	defer s.door.end(s)
	defer s.conn.Close()
	defer func() {
		if fault := recover(); fault != nil { // one client must not end the process for all
			s.door.config.Logger.Error("a connection ended by a fault of the server", "panic", fault, "stack", string(debug.Stack()))
		}
	}()
	if conn, ok := s.conn.(*tls.Conn); ok {
		if conn.HandshakeContext(context.Background()) != nil {
			return
		}
		s.forget() // it may have shown a certificate
	}
	login := s.due.Load()
	if s.known() {
		s.due.Store(s.door.idleDue())
	}
	begun := false // a command has begun to arrive
	for !s.leaving {
		n, err := s.conn.Read(s.in[s.filled:])
		if err != nil {
			if s.isCalmed(err) {
				s.letGo()
				continue
			}
			return
		}
		last := s.door.draining.Load() // if it begins later, there is a deadline for what comes next
		full := s.filled+n == len(s.in)
		s.filled += n
		used := s.answer(s.in[:s.filled])
		s.filled = copy(s.in, s.in[used:s.filled])
		if !s.flush() {
			return
		}
		if s.known() {
			login = 0
		} else if login == 0 { // from now on it has to prove who it is, again or at all
			login = s.door.seconds.Load() + 1 + loginTime
		}
		switch {
		case login != 0:
			s.due.Store(login)
		case s.filled == 0:
			s.due.Store(s.door.idleDue())
			begun = false
		case used > 0 || !begun: // nobody wins time by sending a part of the same command
			s.due.Store(s.door.seconds.Load() + 1 + commandTime)
			begun = true
		}
		if full {
			s.grow()
		}
		if s.much {
			s.noteMuch()
		}
		if last {
			break
		}
	}
	s.hangUp()
}

// answer runs all commands that are whole, and returns how many bytes they have.
func (s *session) answer(in []byte) (used int) {
	for !s.leaving {
		n, err := s.parser.next(in[used:])
		if err == nil && n == 0 && len(in)-used >= maxCommand {
			err = errTooLong
		}
		if err == nil && n == 0 {
			break
		}
		if err == nil {
			used += n
			err = s.run(s.parser.args)
		}
		if err != nil {
			s.refuse(err)
		}
		s.spill()
	}
	s.decide()
	return used
}

// refuse ends the session of a client that sent something that is no command.
func (s *session) refuse(err error) {
	s.decide()
	s.door.stats.protocolErrors.Add(1)
	s.leaving = true
	if !errors.Is(err, foreignError{}) {
		s.reply.fail("ERR " + err.Error())
	}
}

// run answers one command, or has it wait for those behind it. The error is that of a client that speaks another protocol.
func (s *session) run(args [][]byte) error {
	if len(args) == 0 {
		return nil
	}
	c := s.door.find(args[0])
	fault := ""
	s.lookAgain()
	switch {
	case s.parser.line && (is(args[0], "POST") || is(args[0], "Host:")):
		return foreignError{}
	case !s.known() && (c == nil || !c.open):
		fault = "NOAUTH Authentication required."
	case c == nil:
		fault = unknownText(args)
	case !c.takes(len(args)):
		fault = arityText(c.name)
	case c.admin && !s.who.Role.Includes(access.Admin):
		fault = s.refusal(c, access.Admin)
	case c.inline && !s.who.Role.Includes(access.Check) && !s.door.options.Load().AllowInlineLimits:
		fault = s.refusal(c, access.Check)
	}
	if fault != "" || !c.joins {
		s.decide()
	}
	if fault != "" {
		s.reply.fail(fault)
		return nil
	}
	c.run(s, args)
	return nil
}

// flush sends the answers, and reports whether the client takes them.
func (s *session) flush() bool {
	if len(s.reply.b) == 0 {
		return true
	}
	s.due.Store(s.door.seconds.Load() + 1 + writeTime)
	_, err := s.conn.Write(s.reply.b)
	s.reply.b = s.reply.b[:0]
	if cap(s.reply.b) > 2*maxReply || !s.wide && cap(s.reply.b) > 4*narrowReply {
		s.reply.b = nil
	}
	return err == nil
}

// hangUp ends the connection so that what was answered arrives: to close it with something unread would have the system
// drop what the client has not taken yet. So what the client had sent by then is taken; one that sends without end is not
// listened to for longer.
func (s *session) hangUp() {
	if !s.flush() {
		return
	}
	s.held.Store(0) // no read ends early from here on
	s.due.Store(s.door.seconds.Load() + 1 + writeTime)
	if conn, ok := s.conn.(interface{ CloseWrite() error }); !ok || conn.CloseWrite() != nil {
		return
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(lingerTime))
	for taken := 0; taken < lingerBytes; {
		n, err := s.conn.Read(s.in)
		if err != nil {
			return
		}
		taken += n
	}
}
