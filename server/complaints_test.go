package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice/store/redisstore"
)

// TestOneLineForAnOutage has a Redis fail for minutes, each time with another text, and counts the lines of the log.
func TestOneLineForAnOutage(t *testing.T) {
	t.Parallel()
	dials := 0
	expired := func() error {
		return fmt.Errorf("tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time %s is after 2026-11-30T00:00:00Z", time.Now().Format(time.RFC3339))
	}
	reset := func() error {
		return fmt.Errorf("read tcp 127.0.0.1:%d->127.0.0.1:6379: connection reset by peer", 40000+dials)
	}
	node := func(name string) func() error {
		return func() error { return errors.New("dial tcp " + name + ":6379: connection refused") }
	}
	for _, test := range []struct {
		name    string
		seconds int // for which each of the errors is there
		errors  []func() error
		lines   int
	}{
		{"the time is in it", 75, []func() error{expired}, 1},
		{"a port is in it", 75, []func() error{reset}, 1},
		{"another reason each minute and a bit", 70, []func() error{expired, reset, expired}, 3},
		{"nodes in turn, for ten seconds", 1, []func() error{
			node("a"), node("b"), node("a"), node("b"), node("a"), node("b"), node("a"), node("b"), node("a"), node("b"),
		}, 2},
		{"nodes in turn, for two minutes", 35, []func() error{
			node("a"), node("b"), node("a"), node("b"),
		}, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r, err := newRedis("redis://127.0.0.1:1", redisstore.Config{}, slog.New(slog.NewTextHandler(&log, nil)))
				if err != nil {
					t.Fatal(err)
				}
				begun, span := time.Now(), time.Duration(test.seconds)*time.Second
				r.option.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
					dials++
					return nil, test.errors[min(int(time.Since(begun)/span), len(test.errors)-1)]()
				}
				ctx, cancel := context.WithTimeout(t.Context(), span*time.Duration(len(test.errors)))
				defer cancel()
				r.run(ctx, func() {})
				time.Sleep(2 * time.Second) // the client has goroutines that end by themselves
				if lines := strings.Count(log.String(), "the store cannot be reached"); lines != test.lines {
					t.Errorf("%d lines say that it cannot be reached, want %d:\n%.2000s", lines, test.lines, log.String())
				}
			})
		})
	}
}
