package respapi

import (
	"bytes"
	"context"
	"math/big"
	"net"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/memstore"
)

// seeds are what clients send, well and badly.
var seeds = []string{
	"", "\n", "\r\n", "*0\r\n", "*-1\r\n", "*1\r\n$4\r\nPING\r\n", "PING\r\n", "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
	"*5\r\n$11\r\nCL.THROTTLE\r\n$1\r\nk\r\n$2\r\n15\r\n$2\r\n30\r\n$2\r\n60\r\n*1\r\n$4\r\nQUIT\r\n",
	"cl.throttle k 15 30 60 -1\nCL.THROTTLE k -1 1 1 0\nCL.THROTTLE k x\n", "*1\r\n$-1\r\n", "*129\r\n", "*99999999999999999999\r\n",
	"*1\r\n$4\r\nPI", "ECHO \"a\\x41\\n\\\"\" 'b\\''\n", "ECHO \"", "GET / HTTP/1.1\r\n", "HELLO 3 AUTH default x SETNAME y\r\nHELLO 2\r\n",
	"SL.CHECK api k\nSL.PEEK api k 3\nSL.CHECK api k -1\nSL.RESET api k\nSL.BLOCK api k 5 r\nSL.UNBLOCK api k\nSL.CHECK no k\n",
	"HELLO 3\nSL.PEEK api k\nCOMMAND\nCOMMAND DOCS\nINFO\nCLIENT INFO\nCLIENT TRACKING ON\nRESET\nSELECT 0\nAUTH a b\n",
	"CL.THROTTLE k 4294967294 4294967295 31622400 4294967295\nCL.THROTTLE k 9223372036854775807 1 1\n",
}

// FuzzParser takes apart whatever a client sends, and finds the same commands in whatever pieces it arrives.
func FuzzParser(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, wholeErr := parseAll(t, in, len(in))
		pieces, piecesErr := parseAll(t, in, 1)
		if strings.Join(whole, "\n") != strings.Join(pieces, "\n") || (wholeErr == nil) != (piecesErr == nil) {
			t.Errorf("%q is %q, %v; byte by byte it is %q, %v", in, whole, wholeErr, pieces, piecesErr)
		}
	})
}

// parseAll returns the commands of what arrives in steps, each as one text.
func parseAll(t *testing.T, in []byte, step int) (commands []string, err error) {
	in = bytes.Clone(in) // of which lines are written over
	var p parser
	for used, end := 0, 0; ; {
		n, err := p.next(in[used:end])
		switch {
		case err != nil:
			return commands, err
		case n == 0 && end == len(in):
			return commands, nil
		case n == 0:
			end = min(len(in), end+max(1, step))
			continue
		}
		used += n
		if used > end || len(p.args) > maxArgs || n > maxCommand && !p.line {
			t.Fatalf("a command of %d bytes has %d arguments and ends at %d of %d", n, len(p.args), used, end)
		}
		size := 0
		for _, arg := range p.args {
			size += len(arg)
		}
		if size > n {
			t.Fatalf("a command of %d bytes has arguments of %d", n, size)
		}
		commands = append(commands, string(bytes.Join(p.args, []byte{0})))
	}
}

// FuzzCommands runs whatever a client sends, and finds that each answer is one of the protocol.
func FuzzCommands(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		f.Fatal(err)
	}
	var e *engine.Engine
	c := control.New(ledger.NewMemory(nil), store, control.Config{Swap: func(s *policy.Snapshot) { e.Swap(s) }})
	e = engine.New(store, engine.Config{View: c})
	file, err := filesource.Parse("fuzz.yaml", []byte("policies: {api: {limits: {second: 10/s burst 20, day: 10000/day}}}"))
	if err != nil {
		f.Fatal(err)
	}
	if err := c.Start(context.Background(), control.File{Policies: file.Policies}); err != nil {
		f.Fatal(err)
	}
	d := New(e, c, Config{}, Options{})
	f.Fuzz(func(t *testing.T, in []byte) {
		in = bytes.Clone(in)
		conn := &keeping{}
		s := newSession(d, conn, 1, true)
		for begin := 0; begin < len(in) && !s.leaving; {
			begin += s.answer(in[begin:min(len(in), begin+maxCommand)])
			if !s.flush() || begin < len(in) && len(s.pending.throttles)+len(s.pending.checks) > 0 {
				t.Fatal("something waits that nobody answers")
			}
			if begin+maxCommand >= len(in) {
				break
			}
		}
		for rest := conn.sent; len(rest) > 0; {
			n := valueLength(rest)
			if n == 0 {
				t.Fatalf("%q is answered %q, which ends with no value: %q", in, conn.sent, rest)
			}
			rest = rest[n:]
		}
	})
}

// keeping is a connection that keeps what is sent.
type keeping struct {
	nobody
	sent []byte
}

func (c *keeping) Write(p []byte) (int, error) {
	c.sent = append(c.sent, p...)
	return len(p), nil
}

func (*keeping) RemoteAddr() net.Addr { return &net.TCPAddr{Port: 1} }
func (*keeping) LocalAddr() net.Addr  { return &net.TCPAddr{Port: 2} }

// valueLength returns the length of the first value of RESP; 0 where there is none.
func valueLength(b []byte) int {
	end := bytes.Index(b, []byte("\r\n"))
	if end < 1 {
		return 0
	}
	line, at := string(b[1:end]), end+2
	var n int
	switch b[0] {
	case '+', '-', '#', '_':
		return at
	case ':', '$', '=', '*', '~', '%':
		v, ok := new(big.Int).SetString(line, 10)
		if !ok || !v.IsInt64() {
			return 0
		}
		n = int(v.Int64())
	default:
		return 0
	}
	switch b[0] {
	case ':':
		return at
	case '$', '=':
		if n == -1 {
			return at
		}
		if at+n+2 > len(b) || string(b[at+n:at+n+2]) != "\r\n" {
			return 0
		}
		return at + n + 2
	case '%':
		n *= 2
	}
	for range n {
		size := valueLength(b[at:])
		if size == 0 {
			return 0
		}
		at += size
	}
	return at
}

// FuzzWholeNumber reads numbers as arithmetic without bounds does.
func FuzzWholeNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "+1", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "+", "", "1_0", "0x1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, ok := wholeNumber(text)
		digits := strings.TrimPrefix(strings.TrimPrefix(string(text), "-"), "+")
		legal := digits != "" && strings.Trim(digits, "0123456789") == "" && len(text)-len(digits) <= 1
		want, _ := new(big.Int).SetString(string(text), 10)
		if legal = legal && want.IsInt64(); legal != ok || ok && want.Int64() != n {
			t.Errorf("wholeNumber(%q) = %d, %t; want %v, %t", text, n, ok, want, legal)
		}
	})
}
