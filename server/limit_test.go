package server_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// get sends a request on a connection and waits for its answer.
func get(t *testing.T, conn net.Conn) error {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}

// isClosed reports whether the other end has closed a connection.
func isClosed(conn net.Conn) bool { return isClosedWithin(conn, patience) }

func isClosedWithin(conn net.Conn, d time.Duration) bool {
	_ = conn.SetReadDeadline(time.Now().Add(d))
	_, err := conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// TestMaxConnections takes a new connection in the place of one that is idle, and where none is, closes it.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	r := run(t, "", map[string]string{"listen.max_connections": "3"})
	address := r.server.Addr("listen.http").String()
	connect := func() net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	half := func() {
		if _, err := io.WriteString(connect(), "GET /healthz HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	oldest, newer := connect(), connect()
	for _, conn := range []net.Conn{oldest, newer} {
		if err := get(t, conn); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // so that one is idle for longer
	}
	third, fourth := connect(), connect()
	if err := errors.Join(get(t, third), get(t, fourth)); err != nil {
		t.Errorf("a connection is refused though another is idle: %v", err)
	}
	if !isClosed(oldest) {
		t.Error("the connection that was idle for longest is open still")
	}
	if err := get(t, newer); err != nil {
		t.Errorf("a connection that was idle for less is closed: %v", err)
	}
	for range 3 {
		half()
	}
	r.eventually("connections on which something happens are kept, and others closed", func() bool {
		return isClosedWithin(connect(), time.Second) // and not after five, as the others are
	})
}

// TestSlowHeaders cuts who does not send the header of a request, and answers others meanwhile.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	r := run(t, "", map[string]string{})
	var slow []net.Conn
	for range 300 {
		conn, err := net.Dial("tcp", r.server.Addr("listen.http").String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /v1/check HTTP/1.1\r\nHost: "); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	begun := time.Now()
	if status, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"k"}`); status != 200 {
		t.Errorf("a check beside 300 slow clients: %d %s", status, body)
	}
	for _, conn := range slow {
		if !isClosed(conn) {
			t.Fatal("a slow client has its connection still")
		}
	}
	if took := time.Since(begun); took > patience {
		t.Errorf("slow clients were cut after %v, want about 5s", took)
	}
	status, body := func() (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), "GET", r.base+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X", strings.Repeat("x", 100<<10))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err.Error()
		}
		defer response.Body.Close()
		return response.StatusCode, ""
	}()
	if status == 200 {
		t.Errorf("a header of 100 KiB is answered %d %s", status, body)
	}
}
