package httpapi

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

const (
	// maxHeld is how much the bodies of all checks can take at once, in bytes. There may be thousands of connections, and
	// each may send a body of [maxBody].
	maxHeld = 64 << 20
	// smallBody is the length up to which a body counts for nothing: so are nearly all, and a connection, which has one
	// request at a time, costs about as much by itself.
	smallBody = 4 << 10
)

// budget is what all bodies take that are longer than [smallBody], as far as they have arrived: who announces much and
// sends nothing takes nothing from others.
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
