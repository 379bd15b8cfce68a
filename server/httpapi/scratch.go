package httpapi

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"unsafe"

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

// There are two pools, so that the memory that a call of many checks has come to is not held by one that counts for nothing in the
// [budget]. What is in the first takes no more than [smallCall] each.
var smallScratches, scratches sync.Pool

// fewChecks is the length of a body that has no more than some 16 checks.
const fewChecks = 512

// newScratch returns one for which nothing has to be taken.
func newScratch() *scratch {
	if s, ok := smallScratches.Get().(*scratch); ok {
		return s
	}
	return new(scratch)
}

// newLargeScratch returns one for many checks, where one is left over and there is memory for it.
func newLargeScratch(held *share) *scratch {
	if s, ok := scratches.Get().(*scratch); ok && held.reach(s.size()) {
		return s
	}
	return newScratch()
}

// size is how much memory it has, but for the keys.
func (s *scratch) size() int64 {
	const check, query, limit = int(unsafe.Sizeof(checkBody{})), int(unsafe.Sizeof(engine.Query{})), int(unsafe.Sizeof(sluice.LimitDecision{}))
	return int64(s.in.Cap() + cap(s.out) + check*cap(s.checks) + query*cap(s.queries) + limit*cap(s.limits))
}

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
	if s.size() > smallCall {
		scratches.Put(s)
	} else {
		smallScratches.Put(s)
	}
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
