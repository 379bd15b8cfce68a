package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/sluice-project/sluice"
)

// client is one caller, who keeps one connection to each server and asks one thing at a time. It is no [http.Client],
// which may ask again by itself where a connection has broken, and would hide what the tests look for.
type client struct{ conns map[string]*conn }

func newClient() *client { return &client{map[string]*conn{}} }

func (c *client) close() {
	for addr := range c.conns {
		c.hangUp(addr)
	}
}

func (c *client) hangUp(addr string) {
	c.conns[addr].Close()
	delete(c.conns, addr)
}

// connect returns the connection to a server: another one where the server has closed the one before.
func (c *client) connect(addr string) (*conn, error) {
	if k, kept := c.conns[addr]; kept {
		select {
		case <-k.answers:
			c.hangUp(addr)
		default:
			return k, nil
		}
	}
	k, err := dial(addr)
	if err == nil {
		c.conns[addr] = k
	}
	return k, err
}

// send makes one call and reads the whole answer.
func (c *client) send(method, addr, path, body string) (status int, answer []byte, err error) {
	k, err := c.connect(addr)
	if err != nil {
		return 0, nil, err
	}
	fmt.Fprintf(k, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, addr, len(body), body)
	a := k.read()
	if a.last {
		c.hangUp(addr)
	}
	if a.err != nil {
		return 0, nil, fmt.Errorf("%s %s %s: %w", method, addr, path, a.err)
	}
	return a.status, a.body, nil
}

// conn is a connection to a server. It is read all the time, so that its end is seen when it comes.
type conn struct {
	net.Conn
	answers chan answer // closed after the last
}

// answer is what a server sends on one request.
type answer struct {
	status int
	body   []byte
	last   bool // nothing comes after it, because the server says so or the connection has ended
	err    error
}

func dial(addr string) (*conn, error) {
	dialed, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	k := &conn{dialed, make(chan answer, 1)}
	go func() {
		defer close(k.answers)
		in := bufio.NewReader(k)
		for last := false; !last; {
			a := readAnswer(in)
			last = a.last
			k.answers <- a
		}
	}()
	return k, nil
}

func readAnswer(in *bufio.Reader) answer {
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return answer{last: true, err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, body, res.Close || err != nil, err}
}

// read waits for the answer to a request.
func (k *conn) read() answer {
	select {
	case a, more := <-k.answers:
		if !more {
			a = answer{last: true, err: net.ErrClosed}
		}
		return a
	case <-time.After(patience):
		return answer{last: true, err: os.ErrDeadlineExceeded}
	}
}

// question is one check as it is asked over HTTP.
type question struct {
	Policy    string `json:"policy"`
	Key       string `json:"key,omitempty"`
	KeyBase64 []byte `json:"key_base64,omitempty"`
	Cost      int64  `json:"cost"`
}

// decision is what a check is answered, as far as tests look at it.
type decision struct {
	Allowed   bool
	Policy    string
	Key       string
	KeyBase64 []byte `json:"key_base64"`
	Cost      int64
	Remaining int64
	Limits    []struct {
		Name      string
		Remaining int64
	}
	Source string
}

func (q question) String() string { return toJSON(q) }

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the values are the tests' own
	}
	return string(text)
}

// check asks one question; everything but a decision of the store is an error.
func (c *client) check(addr, question string) (decision, error) {
	var d decision
	err := c.decide(http.MethodPost, addr, "/v1/check", question, &d)
	if err == nil {
		err = fromStore(d)
	}
	return d, err
}

// checks asks several questions at once; everything but a decision of the store to each is an error.
func (c *client) checks(addr string, questions []question) ([]decision, error) {
	var answer struct{ Decisions []decision }
	err := c.decide(http.MethodPost, addr, "/v1/checks", toJSON(map[string]any{"checks": questions}), &answer)
	if err == nil && len(answer.Decisions) != len(questions) {
		err = fmt.Errorf("%d decisions on %d checks", len(answer.Decisions), len(questions))
	}
	for _, d := range answer.Decisions {
		if err == nil {
			err = fromStore(d)
		}
	}
	return answer.Decisions, err
}

// peek looks at a key.
func (c *client) peek(addr, policy, key string) (decision, error) {
	var d decision
	err := c.decide(http.MethodGet, addr, "/v1/policies/"+policy+"/key?key="+url.QueryEscape(key), "", &d)
	if err == nil {
		err = fromStore(d)
	}
	return d, err
}

// decide makes a call that has to succeed and reads its answer.
func (c *client) decide(method, addr, path, body string, answer any) error {
	status, text, err := c.send(method, addr, path, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s %s: %d %s", method, path, status, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s %s: %w in %s", method, path, err, text)
	}
	return nil
}

func fromStore(d decision) error {
	if want := sluice.SourceStore.String(); d.Source != want {
		return fmt.Errorf("a decision comes from %q, want %q", d.Source, want)
	}
	return nil
}
