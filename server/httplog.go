package server

import (
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// httpLogTime is how long lies between two lines of one kind from net/http.
const httpLogTime = 5 * time.Second

// httpLog logs what net/http has to say of connections, which strangers can have it say as often as they connect: of each kind
// the first line, and then, while there are more, the latest of some seconds and how many there were.
type httpLog struct {
	logger *slog.Logger

	mu     sync.Mutex // guards what is below
	shakes lately     // of TLS that was not begun
	others lately
}

// lately is what was said of a kind since a line of it was logged.
type lately struct {
	soon   bool // it is too soon for the next
	latest string
	lines  int
}

// newHTTPLog returns what a server takes as its ErrorLog.
func newHTTPLog(logger *slog.Logger) *log.Logger { return log.New(&httpLog{logger: logger}, "", 0) }

// Write implements [io.Writer], for a line at once.
func (l *httpLog) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	kind := &l.others
	if strings.HasPrefix(text, "http: TLS handshake error") {
		kind = &l.shakes
	}
	if kind.soon {
		kind.latest = text
		kind.lines++
		return len(line), nil
	}
	kind.soon = true
	l.logger.Warn(text)
	time.AfterFunc(httpLogTime, func() { l.tell(kind) })
	return len(line), nil
}

// tell logs what was said of a kind since it was told last, if anything was.
func (l *httpLog) tell(kind *lately) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if kind.lines == 0 {
		kind.soon = false
		return
	}
	l.logger.Warn(kind.latest, "lines_like_it", kind.lines, "within", httpLogTime)
	kind.latest, kind.lines = "", 0
	time.AfterFunc(httpLogTime, func() { l.tell(kind) })
}
