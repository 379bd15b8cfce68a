package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// do sends one command on a connection of its own, after the password if there is one.
func (s *Server) do(args ...string) (any, error) {
	conn, err := s.connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if s.options.Password != "" {
		if _, err := conn.Do("AUTH", s.options.Password); err != nil {
			return nil, err
		}
	}
	return conn.Do(args...)
}

func roundTrip(w io.Writer, r *bufio.Reader, args ...string) (any, error) {
	if _, err := w.Write(encode(args)); err != nil {
		return nil, err
	}
	return readReply(r)
}

// encode spells a command as RESP.
func encode(args []string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b
}

// readReply reads one answer of RESP2; an error that the server answers is an error.
func readReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, text := line[0], strings.TrimSuffix(line[1:], "\r\n")
	switch kind {
	case '+':
		return text, nil
	case '-':
		return nil, errors.New(text)
	case ':':
		return strconv.ParseInt(text, 10, 64)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("reply %q is not of RESP2", line)
	}
	switch {
	case n < 0:
		return nil, nil
	case kind == '$':
		body := make([]byte, n+len("\r\n"))
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		return string(body[:n]), nil
	case kind == '*':
		all := make([]any, n)
		for i := range all {
			if all[i], err = readReply(r); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("reply %q is not of RESP2", line)
}
