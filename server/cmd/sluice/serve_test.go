package main

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-project/sluice/server"
)

// waiting is a log that tells when it has said something.
type waiting struct {
	part string
	said chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *waiting) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.text.String(), w.part)
	n, err := w.text.Write(p)
	if !before && strings.Contains(w.text.String(), w.part) {
		close(w.said)
	}
	return n, err
}

// A SIGHUP that comes while the server reads its configuration is a reload, and not the end of the process.
func TestHangupAtTheStart(t *testing.T) {
	log := &waiting{part: "no configuration file to read again", said: make(chan struct{})}
	var once sync.Once
	config := server.Config{
		Flags:  map[string]string{"listen.http": "127.0.0.1:0"},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Env: func(string) string {
			once.Do(func() { signalSelf(t, syscall.SIGHUP) })
			return ""
		},
	}
	done := make(chan error, 1)
	go func() { done <- serve(config) }()
	select {
	case <-log.said:
		signalSelf(t, syscall.SIGTERM)
	case err := <-done:
		t.Fatalf("the server ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("the server was not told of SIGHUP")
	}
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func signalSelf(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(syscall.Getpid(), s); err != nil {
		t.Error(err)
	}
}
