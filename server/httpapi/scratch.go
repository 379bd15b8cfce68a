package httpapi

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// scratch is the memory that a check needs while it is answered, which goes from one call to another.
type scratch struct {
	in      bytes.Buffer // the body of the request
	out     []byte       // that of the answer, without its last line feed
	checks  []checkBody
	queries []engine.Query
	limits  []sluice.LimitDecision
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newScratch() *scratch { return scratches.Get().(*scratch) }

// mostKept is how many bytes of a body are kept for the next call. The answer to a call of 1000 checks is shorter.
const mostKept = 512 << 10

// giveBack is called when the answer has been written.
func (s *scratch) giveBack() {
	if s.in.Cap() > mostKept || cap(s.out) > mostKept {
		return
	}
	s.in.Reset()
	s.out = s.out[:0]
	clear(s.checks) // the keys, which are the callers'
	clear(s.queries)
	s.checks, s.queries = s.checks[:0], s.queries[:0]
	scratches.Put(s)
}

var jsonType = []string{"application/json"}

// countedByServer is the longest answer of which net/http says the length by itself.
const countedByServer = 2048

// answer sends what is in out as the whole response.
func (s *scratch) answer(w http.ResponseWriter) {
	s.out = append(s.out, '\n')
	h := w.Header()
	h["Content-Type"] = jsonType
	if len(s.out) > countedByServer {
		h["Content-Length"] = []string{strconv.Itoa(len(s.out))}
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(s.out) // a caller that has gone needs no answer
}
