//go:build unix

package world

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Moved returns the server whose clock can be moved.
func (w *World) Moved() *Server { return w.Servers[moved] }

// MoveClock has the wall clock of the server be ahead by some seconds, and sees by the date of an answer that it is.
func (s *Server) MoveClock(ahead time.Duration) error {
	if s.clock == "" {
		return fmt.Errorf("the clock of server %d cannot be moved", s.Number)
	}
	if err := os.WriteFile(s.clock, []byte(strconv.FormatInt(int64(ahead/time.Second), 10)), 0o600); err != nil {
		return err
	}
	if err := s.process.signal(syscall.SIGUSR1); err != nil {
		return err
	}
	return wait(fmt.Sprintf("the clock of server %d is %s ahead", s.Number, ahead), func() bool {
		before := time.Now().Add(ahead)
		date, err := s.Date()
		// A date has whole seconds.
		return err == nil && date.After(before.Add(-2*time.Second)) && date.Before(time.Now().Add(ahead+time.Second))
	})
}

// Date returns what time it is by the clock of the server.
func (s *Server) Date() (time.Time, error) {
	response, err := s.client().Get(s.URL("/healthz"))
	if err != nil {
		return time.Time{}, err
	}
	_ = response.Body.Close() // it has nothing of interest
	return http.ParseTime(response.Header.Get("Date"))
}
