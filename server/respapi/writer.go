package respapi

import (
	"math"
	"strconv"
)

// reply is what is to be sent to a client. Its methods append one value each, by the version of the protocol that the client
// asked for: what RESP2 has no type for is sent as the nearest that it has.
type reply struct {
	b     []byte
	resp3 bool
}

// line appends a type, a number and the end of the line.
func (r *reply) line(kind byte, n int64) {
	if 0 <= n && n <= 9 {
		r.b = append(r.b, kind, '0'+byte(n), '\r', '\n')
		return
	}
	r.b = append(strconv.AppendInt(append(r.b, kind), n, 10), '\r', '\n')
}

func (r *reply) integer(n int64) { r.line(':', n) }

// simple appends a text that has no line end.
func (r *reply) simple(text string) { r.b = append(append(append(r.b, '+'), text...), '\r', '\n') }

// fail appends an error. A line end in it, which would end the error early, becomes a blank.
func (r *reply) fail(text string) {
	r.b = append(r.b, '-')
	for i := range len(text) {
		c := text[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		r.b = append(r.b, c)
	}
	r.b = append(r.b, '\r', '\n')
}

func (r *reply) text(s string) {
	r.line('$', int64(len(s)))
	r.b = append(append(r.b, s...), '\r', '\n')
}

func (r *reply) array(n int) { r.line('*', int64(n)) }

// mapping begins a map of so many pairs; in RESP2 an array of names and values in turn.
func (r *reply) mapping(n int) {
	if r.resp3 {
		r.line('%', int64(n))
	} else {
		r.array(2 * n)
	}
}

// set begins a set; in RESP2 an array.
func (r *reply) set(n int) {
	if r.resp3 {
		r.line('~', int64(n))
	} else {
		r.array(n)
	}
}

func (r *reply) null() {
	if r.resp3 {
		r.b = append(r.b, "_\r\n"...)
	} else {
		r.b = append(r.b, "$-1\r\n"...)
	}
}

// boolean appends true or false; in RESP2 1 or 0.
func (r *reply) boolean(is bool) {
	switch {
	case r.resp3 && is:
		r.b = append(r.b, "#t\r\n"...)
	case r.resp3:
		r.b = append(r.b, "#f\r\n"...)
	case is:
		r.integer(1)
	default:
		r.integer(0)
	}
}

// verbatim appends a text for people; in RESP2 a text.
func (r *reply) verbatim(s string) {
	if !r.resp3 {
		r.text(s)
		return
	}
	r.line('=', int64(len(s))+4)
	r.b = append(append(append(r.b, "txt:"...), s...), '\r', '\n')
}

// wholeNumber reads a whole number of 64 bits as redis-cell does: digits, with or without a sign.
func wholeNumber(text []byte) (n int64, ok bool) {
	digits, negative := text, false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		digits, negative = text[1:], text[0] == '-'
	}
	if len(digits) == 0 {
		return 0, false
	}
	for _, c := range digits {
		d := int64(c - '0')
		if c < '0' || c > '9' || n < (math.MinInt64+d)/10 { // it is reckoned below zero, where there is room for one more
			return 0, false
		}
		n = 10*n - d
	}
	if negative {
		return n, true
	}
	return -n, n != math.MinInt64
}
