package respapi_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice/server/respapi"
)

// answer is a command and what it is answered.
type answer struct {
	words string
	want  any
}

func (c *client) expect(answers ...answer) {
	c.t.Helper()
	for _, a := range answers {
		if diff := cmp.Diff(a.want, c.do(a.words)); diff != "" {
			c.t.Errorf("%s (-want +got):\n%s", a.words, diff)
		}
	}
}

// TestConnecting goes through what clients say to connect.
func TestConnecting(t *testing.T) {
	t.Parallel()
	const badName = failure("ERR Client names cannot contain spaces, newlines or special characters.")
	c := open(t, respapi.Config{Version: "v1.2.3"}, true).dial()
	hello := func(proto int64) pairs {
		return pairs{
			"server", "sluice", "version", "7.4.0", "sluice_version", "v1.2.3", "proto", proto, "id", int64(1), "mode", "standalone",
			"role", "master", "modules",
			[]any{},
		}
	}
	c.expect(
		answer{"PING", "PONG"},
		answer{"ping hello", "hello"},
		answer{"ECHO hello", "hello"},
		answer{"ECHO", failure("ERR wrong number of arguments for 'echo' command")},
		answer{"ECHO a b", failure("ERR wrong number of arguments for 'echo' command")},
		answer{"SELECT 0", "OK"},
		answer{"SELECT 1", failure("ERR DB index is out of range")},
		answer{"SELECT x", failure("ERR invalid DB index")},
		answer{"CLIENT ID", int64(1)},
		answer{"CLIENT GETNAME", nil},
		answer{"CLIENT SETNAME worker-1", "OK"},
		answer{"CLIENT GETNAME", "worker-1"},
		answer{"CLIENT SETNAME \x01", badName},
		answer{"CLIENT SETINFO LIB-NAME any(1.2)", "OK"},
		answer{"CLIENT SETINFO lib-ver 1.2", "OK"},
		answer{"CLIENT SETINFO LIB-VER \x01", failure("ERR lib-ver cannot contain spaces, newlines or special characters.")},
		answer{"CLIENT SETINFO OTHER x", failure("ERR Unrecognized option 'OTHER'")},
		answer{"CLIENT TRACKING ON OPTIN", "OK"},
		answer{"CLIENT TRACKING OFF", "OK"},
		answer{"CLIENT TRACKING perhaps", failure("ERR syntax error")},
		answer{"CLIENT CACHING YES", "OK"},
		answer{"CLIENT NO-EVICT on", "OK"},
		answer{"CLIENT NO-TOUCH off", "OK"},
		answer{"AUTH x", failure("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")},
		answer{"AUTH default x", "OK"}, // Redis has it so where there is no password
		answer{"AUTH somebody x", failure("WRONGPASS invalid username-password pair or user is disabled.")},
		answer{"HELLO 4", failure("NOPROTO unsupported protocol version")},
		answer{"HELLO x", failure("ERR Protocol version is not an integer or out of range")},
		answer{"HELLO 3 AUTH default", failure("ERR Syntax error in HELLO option 'AUTH'")},
		answer{"HELLO", []any(hello(2))},
		answer{"HELLO 3 SETNAME \x02", badName},
		answer{"HELLO 2 SETNAME other", []any(hello(2))},
		answer{"CLIENT GETNAME", "other"},
		answer{"HELLO 3", hello(3)},
		answer{"HELLO", hello(3)},
		answer{"SL.PEEK nothing x", failure(`ERR no policy is named "nothing"; it must be one of those that are configured`)},
		answer{"RESET", "RESET"},
		answer{"HELLO", []any(hello(2))},
		answer{"COMMAND COUNT", int64(16)},
		answer{"COMMAND INFO cl.throttle nothing", []any{
			[]any{"cl.throttle", int64(-1), []any{"fast", "write"}, int64(1), int64(1), int64(1), []any{}, []any{}, []any{}, []any{}}, nil,
		}},
		answer{"COMMAND DOCS nothing ping", []any{"ping", []any{"summary", "Answers PONG, or the text given", "since", "1.0.0", "group", "module"}}},
		answer{"COMMAND GETKEYS CL.THROTTLE k 1 1 1", []any{"k"}},
		answer{"COMMAND NOTHING", failure("ERR unknown subcommand 'NOTHING'; it must be COUNT, LIST, INFO, DOCS or GETKEYS")},
		answer{"INFO persistence", "# Persistence\r\nloading:0\r\n"},
		answer{"get a b c d e f", failure("ERR unknown command 'get', with args beginning with: 'a' 'b' 'c' 'd' ")},
	)
	if list := c.do("COMMAND LIST").([]any); len(list) != 16 || len(c.do("COMMAND").([]any)) != 16 || len(c.do("COMMAND DOCS").([]any)) != 32 {
		t.Errorf("COMMAND does not list 16 commands: %v", list)
	}
	if info := c.do("INFO").(string); !strings.Contains(info, "redis_version:7.4.0\r\n") || !strings.Contains(info, "connected_clients:1\r\n") {
		t.Errorf("INFO is %q", info)
	}
	if info := c.do("CLIENT INFO").(string); !strings.HasPrefix(info, "id=1 addr=127.0.0.1:") {
		t.Errorf("CLIENT INFO is %q", info)
	}
	if got := c.do("QUIT"); got != "OK" || !c.gone() {
		t.Errorf("QUIT is answered %v, and the connection stays", got)
	}
}

// TestLines takes commands as people type them.
func TestLines(t *testing.T) {
	t.Parallel()
	c := open(t, respapi.Config{}, true).dial()
	for _, test := range []struct {
		line string
		want any
	}{
		{"PING\n", "PONG"},
		{"\r\n\n  \t\r\n ping  hi \r\n", "hi"},
		{`ECHO "a \"b\" \x41\n\t"` + "\n", "a \"b\" A\n\t"},
		{`ECHO 'a \'b\' \n'` + "\n", `a 'b' \n`},
		{`ECHO ""` + "\n", ""},
		{`ECHO "\xzz\q"` + "\n", "xzzq"},
		{"CL.THROTTLE line 0 1 60\n", numbers(0, 1, 0, -1, 60)},
	} {
		c.send(test.line)
		if diff := cmp.Diff(test.want, c.read()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.line, diff)
		}
	}
}

// TestNoCommand ends the connection of a client that sends something else than commands, and answers what came before.
func TestNoCommand(t *testing.T) {
	t.Parallel()
	d := open(t, respapi.Config{}, true)
	for _, test := range []struct {
		name, text string
		want       failure // "" where it is told nothing
	}{
		{"no count", "*x\r\n", "ERR Protocol error: invalid multibulk length"},
		{"a count without an end", "*" + strings.Repeat("1", 40), "ERR Protocol error: invalid multibulk length"},
		{"very many arguments", "*1000000000\r\n", "ERR Protocol error: invalid multibulk length"},
		{"one argument too many", "*129\r\n", "ERR Protocol error: invalid multibulk length"},
		{"no bulk string", "*1\r\n:1\r\n", "ERR Protocol error: expected '$', got ':'"},
		{"a line end in the place of a bulk string", "*1\r\n\r\n", "ERR Protocol error: expected '$', got '?'"},
		{"a bulk string without a length", "*1\r\n$x\r\n", "ERR Protocol error: invalid bulk length"},
		{"a bulk string of less than nothing", "*1\r\n$-1\r\n", "ERR Protocol error: invalid bulk length"},
		{"a bulk string of a gigabyte", "*1\r\n$1073741824\r\n", "ERR Protocol error: invalid bulk length"},
		{"a bulk string that does not end", "*1\r\n$4\r\nPING_\r\n", "ERR Protocol error: a bulk string is longer than its length"},
		{"a command that is too long", "*2\r\n$4\r\nECHO\r\n$65530\r\n", "ERR Protocol error: the command has more than 65536 bytes"},
		{"a line that is too long", strings.Repeat("x", 65536), "ERR Protocol error: too big inline request"},
		{"a line of too many words", strings.Repeat("x ", 129) + "\n", "ERR Protocol error: too many words in a line"},
		{"a quote without another", "ECHO \"x\n", "ERR Protocol error: unbalanced quotes in request"},
		{"something behind a quote", "ECHO \"x\"y\n", "ERR Protocol error: unbalanced quotes in request"},
		{"a page in a browser", "POST / HTTP/1.1\r\nHost: 127.0.0.1:7379\r\n\r\nSL.RESET api k\r\n", ""},
		{"another page", "GET /?SL.RESET HTTP/1.1\r\n\r\n", ""},
		{"a page that begins TLS", "\x16\x03\x01\x02\x00\x01\x00\nSL.RESET api k\nQUIT\n", ""},
		{"an old page", "POST /\r\nSL.RESET api k\r\n", ""},
		{"the rest of a page", "Host: 127.0.0.1\r\nSL.RESET api k\r\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := d
			d.t = t
			c := d.dial()
			c.send(command("PING", "before") + test.text + command("PING", "behind"))
			if got := c.read(); got != "before" {
				t.Errorf("the command before is answered %v", got)
			}
			if test.want != "" {
				if got := c.read(); got != test.want {
					t.Errorf("it is answered %q, want %q", got, test.want)
				}
			}
			if !c.gone() {
				t.Error("the connection goes on")
			}
		})
	}
	t.Cleanup(func() {
		if n := d.door.Stats().ProtocolErrors; n != 20 {
			t.Errorf("%d protocol errors were counted, want 20", n)
		}
	})
}

// TestLongest takes a command of the greatest size, byte by byte.
func TestLongest(t *testing.T) {
	t.Parallel()
	c := open(t, respapi.Config{}, true).dial()
	text := strings.Repeat("x", 65536-len("*2\r\n$4\r\nECHO\r\n$65500\r\n\r\n"))
	whole := command("ECHO", text)
	if len(whole) != 65536 {
		t.Fatalf("the command has %d bytes", len(whole))
	}
	for _, parts := range []string{whole[:100], whole[100:5000]} {
		for i := range parts {
			c.send(parts[i : i+1])
		}
	}
	c.send(whole[5000:])
	if got := c.read(); got != text {
		t.Errorf("the answer has %d bytes, want %d", len(fmt.Sprint(got)), len(text))
	}
}

// TestPassword lets nobody do anything who has not given it.
func TestPassword(t *testing.T) {
	t.Parallel()
	const (
		unknown = failure("NOAUTH Authentication required.")
		wrong   = failure("WRONGPASS invalid username-password pair or user is disabled.")
	)
	d := open(t, respapi.Config{Password: "open sesame"}, false)
	c := d.dial()
	c.expect(
		answer{"PING", unknown}, answer{"CL.THROTTLE k 1 1 1", unknown}, answer{"SL.RESET api k", unknown}, answer{"NOTHING", unknown},
		answer{"CLIENT ID", unknown}, answer{"COMMAND", unknown}, answer{"INFO", unknown},
		answer{"AUTH open", wrong}, answer{"AUTH somebody x", wrong}, answer{"HELLO 3 AUTH default x", wrong}, answer{"PING", unknown},
	)
	if got, _ := c.do("HELLO 3").(failure); !strings.HasPrefix(string(got), "NOAUTH HELLO must be called") {
		t.Errorf("HELLO without a password is answered %q", got)
	}
	c.send(command("AUTH", "somebody", "open sesame"))
	if got := c.read(); got != wrong {
		t.Errorf("the right password of a wrong user is answered %v", got)
	}
	c.send(command("AUTH", "open sesame") + command("PING"))
	if first, second := c.read(), c.read(); first != "OK" || second != "PONG" {
		t.Errorf("the right password is answered %v, and PING %v", first, second)
	}
	c.expect(answer{"SL.RESET api k", "OK"}, answer{"RESET", "RESET"}, answer{"PING", unknown})
	c.send(command("HELLO", "3", "AUTH", "default", "open sesame", "SETNAME", "me"))
	if _, is := c.read().(pairs); !is {
		t.Error("HELLO with the password does not let in")
	}
	c.expect(answer{"CLIENT GETNAME", "me"}, answer{"CL.THROTTLE k 1 1 60", numbers(0, 2, 1, -1, 60)})
	if n := d.door.Stats().FailedLogins; n != 4 {
		t.Errorf("%d failed logins were counted, want 4", n)
	}
}

// TestAdministration is open on this machine, and to who has the password; CL.THROTTLE is so, too, unless the operator lets
// everybody bring limits.
func TestAdministration(t *testing.T) {
	t.Parallel()
	all := []string{"SL.RESET api k", "SL.BLOCK api k 60000", "SL.UNBLOCK api k", "CL.THROTTLE k 1 1 1"}
	for _, test := range []struct {
		name     string
		password string
		loopback bool
		inline   bool
		refused  int // of all
	}{
		{"on this machine", "", true, false, 0},
		{"with the password", "p", false, false, 0},
		{"from elsewhere", "", false, false, 4},
		{"from elsewhere, with limits of their own", "", false, true, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, respapi.Config{Password: test.password}, test.loopback)
			d.door.Configure(respapi.Options{AllowInlineLimits: test.inline})
			c := d.dial()
			if test.password != "" {
				c.expect(answer{"AUTH " + test.password, "OK"})
			}
			for i, words := range all {
				got := c.do(words)
				text, failed := got.(failure)
				if refused := failed && strings.HasPrefix(string(text), "NOPERM "+strings.Fields(words)[0]); refused != (i < test.refused) || failed && !refused {
					t.Errorf("%s is answered %v", words, got)
				}
			}
			if _, failed := c.do("SL.CHECK api k").(failure); failed {
				t.Error("a check is refused")
			}
		})
	}
}

// TestMaxClients turns away who comes when there are as many as there can be.
func TestMaxClients(t *testing.T) {
	t.Parallel()
	d := open(t, respapi.Config{MaxClients: 2}, true)
	first, second := d.dial(), d.dial()
	first.expect(answer{"PING", "PONG"})
	second.expect(answer{"PING", "PONG"})
	third := d.dial()
	if got := third.read(); got != failure("ERR max number of clients reached") || !third.gone() {
		t.Errorf("the third is answered %v, or stays", got)
	}
	first.expect(answer{"QUIT", "OK"})
	_ = first.conn.Close()
	for deadline := time.Now().Add(20 * time.Second); d.door.Stats().Open > 1; {
		if time.Now().After(deadline) {
			t.Fatal("who has quit is counted still")
		}
		time.Sleep(time.Millisecond)
	}
	d.dial().expect(answer{"PING", "PONG"})
	if s := d.door.Stats(); s.Refused != 1 || s.Accepted != 3 {
		t.Errorf("the statistics are %+v, want 1 refused of 4", s)
	}
}

// TestPatience cuts who takes too long, and nobody who has nothing to say.
func TestPatience(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		password string
		text     string
		most     time.Duration // 0 where it stays
	}{
		{"nothing to say", "", "", 0},
		{"a command now and then", "", command("PING"), 0},
		{"a part of a command", "", "*1\r\n$4\r\nPI", 32 * time.Second},
		{"a part behind a command", "", command("PING") + "*1\r\n", 32 * time.Second},
		{"no password", "p", "", 12 * time.Second},
		{"no password and much to say", "p", command("PING"), 12 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := openWires(t, nil, respapi.Config{Password: test.password})
				c := d.dial()
				if test.text != "" {
					c.send(test.text)
				}
				if strings.Contains(test.text, "PING") {
					c.read()
				}
				ended := make(chan time.Time, 1)
				begin := time.Now()
				go func() {
					_, _ = c.in.ReadByte()
					ended <- time.Now()
				}()
				select {
				case at := <-ended:
					if took := at.Sub(begin); test.most == 0 || took > test.most || took < test.most-3*time.Second {
						t.Errorf("it was cut after %s, want %s", took, test.most)
					}
					if n := d.door.Stats().TimedOut; n != 1 {
						t.Errorf("%d were counted, want 1", n)
					}
				case <-time.After(24 * time.Hour):
					if test.most != 0 {
						t.Errorf("it was not cut, want after %s", test.most)
					}
				}
			})
		})
	}
}

// TestSlowReader cuts a client that asks and does not take the answers.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openWires(t, nil, respapi.Config{})
		c := d.dial()
		begin := time.Now()
		for time.Since(begin) < time.Minute {
			_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := c.conn.Write([]byte(command("COMMAND"))); err != nil && !isTimeout(err) {
				break
			}
		}
		if took := time.Since(begin); took > 13*time.Second || took < 9*time.Second || d.door.Stats().TimedOut != 1 {
			t.Errorf("it was cut after %s, and %d were counted; want after 10s and one", took, d.door.Stats().TimedOut)
		}
	})
}

// TestManyAnswers answers more than fits into one write in several.
func TestManyAnswers(t *testing.T) {
	t.Parallel()
	c := open(t, respapi.Config{}, true).dial()
	const times = 2000
	go func() { _, _ = c.conn.Write([]byte(strings.Repeat(command("COMMAND", "DOCS"), times))) }()
	for i := range times {
		if got := c.read().([]any); len(got) != 32 {
			t.Fatalf("answer %d is %v", i, got)
		}
	}
}

// TestEndless tells a client what was wrong, and does not go on taking what it sends.
func TestEndless(t *testing.T) {
	t.Parallel()
	c := open(t, respapi.Config{}, true).dial()
	c.send("*1000000000\r\n")
	if got, want := c.read(), failure("ERR Protocol error: invalid multibulk length"); got != want {
		t.Errorf("it is answered %v, want %v", got, want)
	}
	sent, part := 0, make([]byte, 64<<10)
	for err := error(nil); err == nil; {
		var n int
		n, err = c.conn.Write(part)
		sent += n
	}
	if most := 32 << 20; sent > most { // the system takes some megabytes by itself
		t.Errorf("%d MiB were taken, want %d at most", sent>>20, most>>20)
	}
}

// TestShutdown answers what was sent before the door closed, and ends.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openWires(t, nil, respapi.Config{})
		idle, late := d.dial(), d.dial()
		idle.expect(answer{"PING", "PONG"})
		late.expect(answer{"PING", "PONG"})
		_ = d.wires.Close()
		begin := time.Now()
		done := make(chan error)
		go func() { done <- d.door.Shutdown(t.Context()) }()
		time.Sleep(500 * time.Millisecond)
		late.expect(answer{"CL.THROTTLE k 0 1 60", numbers(0, 1, 0, -1, 60)})
		if !late.gone() {
			t.Error("the connection goes on behind its last answer")
		}
		if !idle.gone() {
			t.Error("a connection that asks nothing stays")
		}
		if err := <-done; err != nil || time.Since(begin) > 2*time.Second {
			t.Errorf("Shutdown took %s: %v", time.Since(begin), err)
		}
	})
}

// TestTLS speaks nothing else where it is told to.
func TestTLS(t *testing.T) {
	t.Parallel()
	server, roots := certificate(t)
	d := open(t, respapi.Config{TLS: &tls.Config{Certificates: []tls.Certificate{server}}}, true)
	conn, err := tls.Dial("tcp", d.addr, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := newClient(t, conn)
	c.expect(answer{"PING", "PONG"}, answer{"CL.THROTTLE k 0 1 60", numbers(0, 1, 0, -1, 60)}, answer{"QUIT", "OK"})
	plain := d.dial()
	plain.send(command("PING"))
	if _, err := readValue(plain.in); err == nil {
		t.Error("a client without TLS is answered")
	}
}
