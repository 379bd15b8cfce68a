package respapi

import (
	"errors"
	"net"
	"time"
)

// What a session holds between two reads, beyond its buffers of the least size, is taken back once it has not needed it for
// quietTime. Doing so behind each batch would have a client that sends many make all of it anew; while it waits for the next, it
// is in a read, which takes its buffer: so the door ends that read, see [Door.calm].
//
// How much that is at most follows from two bounds. A command that has to be held until the rest of it is here has maxCommand
// bytes. All else is much only for maxWide sessions at once; any other is served in smaller parts.
const (
	// firstBuffer is how much is read at once from a client that sends little, until it sends more; then it is up to
	// maxCommand.
	firstBuffer = 4 << 10
	// maxWide is how many sessions there are at once that may hold much.
	maxWide = 512
	// maxPending is how many checks are decided together at most: narrowPending where a session may not hold much.
	maxPending, narrowPending = 1000, 16
	// maxReply is how much is answered in one write, and an answer more: where a client has sent so much that the answers are
	// longer, they are sent in several. It is narrowReply where a session may not hold much.
	maxReply, narrowReply = 32 << 10, 4 << 10
	// quietTime is how long a session keeps what it has needed once, in seconds.
	quietTime = 2
)

// widen reports whether the session may hold much from now on. It has needed to, be it so or not.
func (s *session) widen() bool {
	s.much = true
	if s.wide {
		return true
	}
	if s.door.wide.Add(1) > s.door.mostWide {
		s.door.wide.Add(-1)
		return false
	}
	s.wide = true
	return true
}

// full reports whether no more than so many checks are decided together.
func (s *session) full(pending int) bool {
	return pending >= narrowPending && (pending == maxPending || !s.widen())
}

// spill sends what is answered, where that is more than it may hold.
func (s *session) spill() {
	n := len(s.reply.b)
	if n > narrowReply && (!s.widen() || n > maxReply) && !s.flush() {
		s.leaving = true
	}
}

// grow gives a session a larger buffer whose last read has filled the one that it has. What does not fit into it is a command
// of which a part has arrived, and has to be held.
func (s *session) grow() {
	if len(s.in) == maxCommand || !s.widen() && s.filled < len(s.in) {
		return
	}
	s.resize(2 * len(s.in))
}

// noteMuch notes that what has been answered just now needed much.
func (s *session) noteMuch() {
	s.much = false
	s.held.Store(s.door.seconds.Load() + 1)
}

// letGo has the session hold as little as a new one, but for what has arrived of a command.
func (s *session) letGo() {
	s.held.Store(0)
	s.pending, s.reply.b = pending{}, nil
	if s.filled > firstBuffer {
		s.noteMuch()
	} else if len(s.in) > firstBuffer {
		s.resize(firstBuffer)
	}
	s.narrow()
}

func (s *session) resize(size int) {
	in := make([]byte, size)
	copy(in, s.in[:s.filled])
	s.in, s.parser = in, parser{} // whose arguments are parts of the buffer before
}

// narrow gives the place among those back who may hold much.
func (s *session) narrow() {
	if s.wide {
		s.wide = false
		s.door.wide.Add(-1)
	}
}

// calm ends the read of a session that holds much and has not needed it for some time. The door's mu is held, and it is not
// draining.
func (d *Door) calm(s *session, now int64) {
	if held := s.held.Load(); held == 0 || held+quietTime > now || s.calmed {
		return
	}
	s.calmed = true
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
}

// isCalmed reports whether the error of a read is that the session is to let go of what it holds, and to go on.
func (s *session) isCalmed(err error) bool {
	if late := net.Error(nil); !errors.As(err, &late) || !late.Timeout() {
		return false
	}
	d := s.door
	d.mu.Lock()
	defer d.mu.Unlock()
	if !s.calmed {
		return false
	}
	s.calmed = false
	if !d.draining.Load() { // else it has the deadline for a last command
		_ = s.conn.SetReadDeadline(time.Time{})
	}
	return true
}
