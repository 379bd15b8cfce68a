package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// attackerMode makes the test binary somebody hostile, see [beHostile].
	attackerMode = "attacker"
	// assaultVariable says what he does, in JSON.
	assaultVariable = "SLUICE_E2E_ASSAULT"
)

// assault is what somebody hostile is told to do.
type assault struct {
	Way, Door, Addr string
	Many            int
	Whole           bool
}

// beHostile attacks as it was told to, once its standard input ends. That a server hangs up is what is to be expected; an error says that there was no
// attack.
func beHostile() error {
	var a assault
	if err := json.Unmarshal([]byte(os.Getenv(assaultVariable)), &a); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	switch a.Way {
	case "slow":
		if a.Door == "grpc" {
			return a.slowCalls()
		}
		return a.slow()
	case "random":
		return a.random()
	case "body":
		return a.body()
	case "crumbs":
		return a.crumbs()
	case "keys":
		return a.keys()
	}
	return fmt.Errorf("there is no attack %q", a.Way)
}

// pacer holds its process to half a core.
type pacer struct{ begun time.Time }

func (p pacer) pause() {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return
	}
	cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano())
	if ahead := 2*cpu - time.Since(p.begun); ahead > time.Millisecond {
		time.Sleep(ahead)
	}
}

// length returns how long a slow attack takes, and how often it sends something on each connection.
func (a assault) length() (long, interval time.Duration) {
	if a.Whole {
		return 30 * time.Second, time.Second
	}
	return time.Second, 100 * time.Millisecond
}

// slow holds connections open and sends on each a byte now and then of a request that never ends. One that the server
// closes is opened again.
func (a assault) slow() error {
	begins := map[string]string{
		"http": "POST /v1/check HTTP/1.1\r\nHost: h\r\nX-Slow: ", "resp": "*3\r\n$8\r\nSL.CHECK\r\n$1000\r\n",
	}
	long, interval := a.length()
	pace := pacer{time.Now()}
	conns, opened := make([]net.Conn, a.Many), 0
	for time.Since(pace.begun) < long {
		round := time.Now()
		for i, c := range conns {
			time.Sleep(time.Until(round.Add(interval * time.Duration(i) / time.Duration(a.Many)))) // each has a clock of its own
			if c != nil {
				if _, err := c.Write([]byte("a")); err == nil {
					continue
				}
				c.Close()
			}
			conns[i] = nil
			if c, err := net.DialTimeout("tcp", a.Addr, time.Second); err == nil {
				opened++
				conns[i] = c
				_, _ = io.WriteString(c, begins[a.Door])
			}
			pace.pause()
		}
		time.Sleep(time.Until(round.Add(interval)))
	}
	if opened == 0 {
		return errors.New("no connection was opened")
	}
	return nil
}

// random sends strings of random bytes, a connection each, some of which begin as a request would.
func (a assault) random() error {
	begins := map[string][]string{
		"http": {"", "", "POST /v1/check HTTP/1.1\r\nHost: h\r\nContent-Length: 300\r\n\r\n", "GET /v1/authorize/api?"},
		"grpc": {"", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
		"resp": {"", "", "*3\r\n$8\r\nSL.CHECK\r\n$3\r\n", "CL.THROTTLE "},
	}[a.Door]
	pace := pacer{time.Now()}
	random := rand.New(rand.NewPCG(1, uint64(a.Many)))
	sent := 0
	for range a.Many {
		c, err := net.DialTimeout("tcp", a.Addr, time.Second)
		if err != nil {
			pace.pause()
			continue
		}
		sent++
		text := []byte(begins[random.IntN(len(begins))])
		for range random.IntN(512) {
			text = append(text, byte(random.Uint32()))
		}
		_, _ = c.Write(text)
		_ = c.(*net.TCPConn).CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = io.Copy(io.Discard, c)
		_ = c.(*net.TCPConn).SetLinger(0) // so many would use up the ports
		c.Close()
		pace.pause()
	}
	if sent < a.Many/2 {
		return fmt.Errorf("%d of %d strings were sent", sent, a.Many)
	}
	return nil
}

// body sends a body that is longer than any request may be, several times, as long as the server takes it.
func (a assault) body() error {
	size := strconv.Itoa(a.Many)
	begins := map[string][]string{
		"http": {
			"POST /v1/check HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: " + size + "\r\n\r\n{\"key\":\"",
			"POST /v1/checks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + strconv.FormatInt(int64(a.Many), 16) + "\r\n",
		},
		"grpc": {grpcPreface + grpcCall(1, decisionCall, a.Many)},
		"resp": {"*2\r\n$8\r\nSL.CHECK\r\n$" + size + "\r\n", "*1000000000\r\n$1\r\n", ""},
	}[a.Door]
	pace := pacer{time.Now()}
	part := bytes.Repeat([]byte("a"), 64<<10)
	if a.Door == "grpc" {
		part = []byte(grpcFrame(dataFrame, 0, 1, string(make([]byte, 0x4000))))
	}
	long := time.Duration(0)
	if a.Whole {
		long = 10 * time.Second // a server that refuses at once would be through with it in no time
	}
	for round := 0; round < 3 || time.Since(pace.begun) < long; round++ {
		for _, begin := range begins {
			c, err := net.DialTimeout("tcp", a.Addr, time.Second)
			if err != nil {
				return err
			}
			go func() { _, _ = io.Copy(io.Discard, c) }() // so that the server is not waited for
			_, err = io.WriteString(c, begin)
			for sent := 0; sent < a.Many && err == nil; sent += len(part) {
				_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second)) // one that takes nothing more has won
				_, err = c.Write(part)
				pace.pause()
			}
			c.Close()
		}
	}
	return nil
}

// keys asks for as many different keys, through one connection on which the answers are not waited for.
func (a assault) keys() error {
	c, err := net.DialTimeout("tcp", a.Addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	pace := pacer{time.Now()}
	var answered atomic.Int64
	ended := make(chan error, 1)
	go func() {
		in := bufio.NewReaderSize(c, 64<<10)
		for answered.Load() < int64(a.Many) {
			// An answer of CL.THROTTLE is the line *5 and five numbers.
			line, err := in.ReadSlice('\n')
			if err != nil {
				ended <- fmt.Errorf("after %d answers: %w", answered.Load(), err)
				return
			}
			switch line[0] {
			case '*':
				answered.Add(1)
			case '-':
				ended <- fmt.Errorf("after %d answers: %s", answered.Load(), line)
				return
			}
		}
		ended <- nil
	}()
	var out []byte
	for i := range a.Many {
		key := strconv.Itoa(i)
		out = append(out, "*5\r\n$11\r\nCL.THROTTLE\r\n$"...)
		out = strconv.AppendInt(out, int64(len(key)), 10)
		out = append(append(append(out, "\r\n"...), key...), "\r\n$2\r\n15\r\n$2\r\n30\r\n$4\r\n3600\r\n"...)
		if len(out) > 32<<10 || i == a.Many-1 {
			if _, err := c.Write(out); err != nil {
				return errors.Join(err, <-ended)
			}
			out = out[:0]
			pace.pause()
		}
	}
	return <-ended
}
