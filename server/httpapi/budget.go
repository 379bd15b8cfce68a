package httpapi

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

const (
	// maxHeld is how much the bodies of all checks can take at once, and what is made of them until their answers are taken,
	// in bytes. There may be thousands of connections, and each may send a body of [maxBody], or take no answer.
	maxHeld = 64 << 20
	// smallBody is the length up to which a body counts for nothing: so are nearly all, and a connection, which has one
	// request at a time, costs about as much by itself.
	smallBody = 4 << 10
	// smallCall is how much what is made of a body may take, its answer among that, to count for nothing: some 16 checks.
	smallCall = 16 << 10
	// heldPerCheck is how much a check of several is reckoned to take by a policy of two limits, and its answer, but for its key.
	heldPerCheck = 700
)

// budget is what all bodies take that are longer than [smallBody], as far as they have arrived: who announces much and
// sends nothing takes nothing from others. And it is what is made of a body, where that is more than [smallCall]: a short one
// can have many checks, whose answer is held until the client takes it.
type budget struct{ used atomic.Int64 }

// take reports whether there is so much left, and takes it.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= maxHeld {
		return true
	}
	b.used.Add(-n)
	return false
}

// meter has the body of a request take from the budget what is read of it, until what it returns is called.
func (b *budget) meter(r *http.Request) (release func()) {
	body := &meteredBody{ReadCloser: r.Body, budget: b}
	r.Body = body
	return func() {
		r.Body = body.ReadCloser
		b.used.Add(-body.taken)
	}
}

// share is what one call takes of a budget beside its body.
type share struct {
	budget *budget
	taken  int64
}

// reach has the call take so much in all, unless that is little. It reports whether there is so much left.
func (s *share) reach(n int64) bool {
	if n <= smallCall || n <= s.taken {
		return true
	}
	if !s.budget.take(n - s.taken) {
		return false
	}
	s.taken = n
	return true
}

// settle has the call take what it has come to, be there so much left or not: it is held already, and others are to know.
func (s *share) settle(n int64) {
	if n > smallCall {
		s.budget.used.Add(n - s.taken)
		s.taken = n
	}
}

// giveBack is called when the answer has been written.
func (s *share) giveBack() {
	if s.taken > 0 {
		s.budget.used.Add(-s.taken)
	}
}

// errOverBudget ends the reading of a body for which there is no memory.
var errOverBudget = errors.New("there is no memory left for bodies")

// meteredBody is a body that takes from a budget what is read of it.
type meteredBody struct {
	io.ReadCloser
	budget *budget
	taken  int64
}

func (m *meteredBody) Read(into []byte) (int, error) {
	n, err := m.ReadCloser.Read(into)
	if !m.budget.take(int64(n)) {
		return 0, errOverBudget
	}
	m.taken += int64(n)
	return n, err
}
