package respapi

import (
	"bytes"
	"fmt"
)

// What a client cannot go beyond, so that it is answered from a bounded memory.
const (
	// maxCommand is the length of the longest command, all that is sent of it.
	maxCommand = 64 << 10
	// maxArgs is how many arguments the longest command has, its name among them.
	maxArgs = 128
	// maxNumber is the length of the longest line that holds a length or a count.
	maxNumber = 16
)

// protocolError says that what a client sent is no command, so that nothing behind it can be understood.
type protocolError string

func (e protocolError) Error() string { return "Protocol error: " + string(e) }

// foreignError says that a client speaks another protocol: it is told nothing, because a page in a browser can have it
// send whatever it likes.
type foreignError struct{}

func (foreignError) Error() string { return "the client speaks HTTP or TLS" }

// handshake is the first byte of a client that begins TLS. What follows may hold lines that a page has chosen, as the ticket of a
// session that its server has given the browser.
const handshake = 0x16

// parser takes one command after the other off what a client has sent. The zero parser works.
type parser struct {
	// args are the arguments of the latest command, its name first; empty where there was a command of none. They are
	// parts of what was parsed, and hold until that changes or the next command is parsed. Those of a line are written over it,
	// so that it can be parsed only once.
	args [][]byte
	// line says that the latest command came as a line of text.
	line bool

	unquoted []byte // the arguments of a line, from where it began
}

// next takes the first command off what has been sent. It returns how many bytes it has; 0 where it is not whole yet.
func (p *parser) next(in []byte) (n int, err error) {
	p.args, p.line = p.args[:0], false
	switch {
	case len(in) == 0:
		return 0, nil
	case in[0] == handshake:
		return 0, foreignError{}
	case in[0] != '*':
		p.line = true
		return p.parseLine(in)
	}
	count, at, err := number(in, 1)
	switch {
	case err != nil || count > maxArgs:
		return 0, protocolError("invalid multibulk length")
	case at == 0 || count <= 0:
		return at, nil
	}
	for range count {
		if at == len(in) {
			return 0, nil
		}
		if in[at] != '$' {
			return 0, protocolError(fmt.Sprintf("expected '$', got %s", quoted(in[at:at+1])))
		}
		size, begin, err := number(in, at+1)
		switch {
		case err != nil || size < 0 || size > maxCommand:
			return 0, protocolError("invalid bulk length")
		case begin == 0:
			return 0, nil
		}
		end := begin + size
		if end+2 > len(in) {
			if end+2 > maxCommand {
				return 0, errTooLong
			}
			return 0, nil
		}
		if in[end] != '\r' || in[end+1] != '\n' {
			return 0, protocolError("a bulk string is longer than its length")
		}
		p.args = append(p.args, in[begin:end])
		at = end + 2
	}
	return at, nil
}

var errTooLong = protocolError(fmt.Sprintf("the command has more than %d bytes", maxCommand))

// number reads a whole number and the end of its line. It returns where the next line begins; 0 where it is not whole yet.
func number(in []byte, at int) (n, next int, err error) {
	sign, begin := 1, at
	if at < len(in) && in[at] == '-' {
		sign, at = -1, at+1
	}
	for digits := at; at < len(in) && at-begin < maxNumber; at++ {
		switch c := in[at]; {
		case '0' <= c && c <= '9':
			n = 10*n + int(c-'0')
		case c == '\r' && at > digits:
			if at+1 == len(in) {
				return 0, 0, nil
			}
			if in[at+1] != '\n' {
				return 0, 0, errNumber
			}
			return sign * n, at + 2, nil
		default:
			return 0, 0, errNumber
		}
	}
	if at-begin >= maxNumber {
		return 0, 0, errNumber
	}
	return 0, 0, nil
}

const errNumber = protocolError("invalid number")

// parseLine takes a command off that is a line of text, as a person types it: words between blanks, in which quotes hold a
// word together. Within double quotes a backslash begins \n, \r, \t, \b, \a, \xHH and what stands for itself; within single
// quotes only \' is other than it looks.
func (p *parser) parseLine(in []byte) (n int, err error) {
	end := bytes.IndexByte(in, '\n')
	if end < 0 {
		if len(in) >= maxCommand {
			return 0, protocolError("too big inline request")
		}
		return 0, nil
	}
	line := bytes.TrimSuffix(in[:end], []byte("\r"))
	if bytes.Contains(line, []byte(" HTTP/")) {
		return 0, foreignError{}
	}
	p.unquoted = line[:0] // no word is longer than it was in the line, so none is written over one that is yet to be read
	defer func() { p.unquoted = nil }()
	for {
		for len(line) > 0 && isBlank(line[0]) {
			line = line[1:]
		}
		if len(line) == 0 {
			return end + 1, nil
		}
		if len(p.args) == maxArgs {
			return 0, protocolError("too many words in a line")
		}
		begin := len(p.unquoted)
		if line = p.word(line); line == nil {
			return 0, protocolError("unbalanced quotes in request")
		}
		p.args = append(p.args, p.unquoted[begin:])
	}
}

// word appends the first word of a line, and returns what is behind it; nil where a quote has no other.
func (p *parser) word(line []byte) (rest []byte) {
	for len(line) > 0 && !isBlank(line[0]) {
		switch quote := line[0]; quote {
		case '"', '\'':
			line = p.quotedPart(line[1:], quote)
			if line == nil || len(line) > 0 && !isBlank(line[0]) {
				return nil
			}
		default:
			p.unquoted = append(p.unquoted, quote)
			line = line[1:]
		}
	}
	return line
}

// quotedPart appends what is within quotes, and returns what is behind them; nil where they do not end.
func (p *parser) quotedPart(line []byte, quote byte) (rest []byte) {
	for len(line) > 0 {
		c, size := line[0], 1
		switch {
		case c == quote:
			return line[1:]
		case c == '\\' && quote == '"' && len(line) > 1:
			c, size = escaped(line)
		case c == '\\' && quote == '\'' && len(line) > 1 && line[1] == '\'':
			c, size = '\'', 2
		}
		p.unquoted = append(p.unquoted, c)
		line = line[size:]
	}
	return nil
}

// escaped returns what a backslash and what follows it stand for, and how many bytes of the line they are.
func escaped(line []byte) (c byte, size int) {
	if len(line) > 3 && line[1] == 'x' {
		high, low := hexDigit(line[2]), hexDigit(line[3])
		if high < 16 && low < 16 {
			return high<<4 | low, 4
		}
	}
	switch c := line[1]; c {
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'b':
		return '\b', 2
	case 'a':
		return '\a', 2
	default:
		return c, 2
	}
}

// hexDigit returns the value of a hexadecimal digit; 16 where it is none.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' || c == 0 }

// quoted is what a client sent as an error can say it: what is no printable ASCII is a question mark, and the rest of a long
// one is left out. An error ends with its line, so it must not hold the end of one.
func quoted(arg []byte) string { return "'" + printable(arg, 64) + "'" }

func printable(arg []byte, most int) string {
	shown := make([]byte, min(len(arg), most))
	for i := range shown {
		shown[i] = arg[i]
		if arg[i] < ' ' || arg[i] > '~' {
			shown[i] = '?'
		}
	}
	if len(arg) > most {
		return string(shown) + "..."
	}
	return string(shown)
}
