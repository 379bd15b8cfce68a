package respapi

import (
	"fmt"
	"strconv"
	"strings"
)

// What a client says to connect, name itself and part.

// redisVersion is the version of Redis whose way of speaking this is, for clients who ask for one before they use what it
// can.
const redisVersion = "7.4.0"

const (
	wrongPassword = "WRONGPASS invalid username-password pair or user is disabled."
	noPassword    = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
)

// auth answers AUTH [username] password.
func (s *session) auth(args [][]byte) {
	user := []byte(defaultUser)
	if len(args) == 3 {
		user = args[1]
	}
	if len(args) == 2 && !s.door.guarded() {
		s.reply.fail(noPassword)
		return
	}
	p, right := s.prove(user, args[len(args)-1])
	if !right {
		s.reply.fail(wrongPassword)
		return
	}
	s.proof = p
	s.reply.simple("OK")
}

// hello answers HELLO [version [AUTH username password] [SETNAME name]].
func (s *session) hello(args [][]byte) {
	r := &s.reply
	resp3, name, named, known, proved := r.resp3, "", false, s.known(), s.proof
	if len(args) > 1 {
		version, ok := wholeNumber(args[1])
		if !ok {
			r.fail("ERR Protocol version is not an integer or out of range")
			return
		}
		if version != 2 && version != 3 {
			r.fail("NOPROTO unsupported protocol version")
			return
		}
		resp3 = version == 3
	}
	for rest := args[min(2, len(args)):]; len(rest) > 0; {
		switch {
		case is(rest[0], "AUTH") && len(rest) > 2:
			p, right := s.prove(rest[1], rest[2])
			if !right {
				r.fail(wrongPassword)
				return
			}
			known, proved, rest = true, p, rest[3:]
		case is(rest[0], "SETNAME") && len(rest) > 1:
			if !plainName(rest[1]) {
				r.fail(nameText)
				return
			}
			name, named, rest = string(rest[1]), true, rest[2:]
		default:
			r.fail("ERR Syntax error in HELLO option " + quoted(rest[0]))
			return
		}
	}
	if !known {
		r.fail("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be " +
			"used to authenticate the client and select the RESP protocol version at the same time")
		return
	}
	s.proof, r.resp3 = proved, resp3
	if named {
		s.name = name
	}
	r.mapping(8)
	r.text("server")
	r.text("sluice")
	r.text("version")
	r.text(redisVersion)
	r.text("sluice_version")
	r.text(s.door.config.Version)
	r.text("proto")
	if r.resp3 {
		r.integer(3)
	} else {
		r.integer(2)
	}
	r.text("id")
	r.integer(s.id)
	r.text("mode")
	r.text("standalone")
	r.text("role")
	r.text("master")
	r.text("modules")
	r.array(0)
}

func (s *session) quit([][]byte) {
	s.reply.simple("OK")
	s.leaving = true
}

// restart answers RESET.
func (s *session) restart([][]byte) {
	s.forget()
	s.name, s.reply.resp3 = "", false
	s.reply.simple("RESET")
}

func (s *session) ping(args [][]byte) {
	if len(args) == 2 {
		s.echo(args)
		return
	}
	s.reply.simple("PONG")
}

// echo answers ECHO text, in parts: a text can be as long as a command.
func (s *session) echo(args [][]byte) {
	text := args[1]
	s.reply.line('$', int64(len(text)))
	for len(text) > narrowReply {
		s.reply.b = append(s.reply.b, text[:narrowReply]...)
		text = text[narrowReply:]
		s.spill()
	}
	s.reply.b = append(append(s.reply.b, text...), '\r', '\n')
}

func (s *session) selects(args [][]byte) {
	switch n, ok := wholeNumber(args[1]); {
	case !ok:
		s.reply.fail("ERR invalid DB index")
	case n != 0:
		s.reply.fail("ERR DB index is out of range")
	default:
		s.reply.simple("OK")
	}
}

// client answers CLIENT and what comes under it. Tracking is taken and means nothing: no value of this door is one that a
// client could keep, so there is none that it had to be told of.
func (s *session) client(args [][]byte) {
	r := &s.reply
	sub, rest := args[1], args[2:]
	switch {
	case is(sub, "ID") && len(rest) == 0:
		r.integer(s.id)
	case is(sub, "GETNAME") && len(rest) == 0:
		if s.name == "" {
			r.null()
		} else {
			r.text(s.name)
		}
	case is(sub, "SETNAME") && len(rest) == 1:
		if !plainName(rest[0]) {
			r.fail(nameText)
			return
		}
		s.name = string(rest[0])
		r.simple("OK")
	case is(sub, "SETINFO") && len(rest) == 2:
		switch {
		case !is(rest[0], "LIB-NAME") && !is(rest[0], "LIB-VER"):
			r.fail("ERR Unrecognized option " + quoted(rest[0]))
		case !plainName(rest[1]):
			r.fail("ERR " + strings.ToLower(string(rest[0])) + " cannot contain spaces, newlines or special characters.")
		default:
			r.simple("OK")
		}
	case is(sub, "INFO") && len(rest) == 0:
		r.verbatim(s.describe() + "\n")
	case is(sub, "TRACKING") && len(rest) > 0, is(sub, "CACHING") && len(rest) == 1, is(sub, "NO-EVICT") && len(rest) == 1,
		is(sub, "NO-TOUCH") && len(rest) == 1:
		if !oneOf(rest[0], "ON", "OFF") && !(is(sub, "CACHING") && oneOf(rest[0], "YES", "NO")) {
			r.fail("ERR syntax error")
			return
		}
		r.simple("OK")
	default:
		r.fail("ERR unknown subcommand or wrong number of arguments for " + quoted(sub) +
			"; it must be ID, GETNAME, SETNAME, SETINFO, INFO, TRACKING, CACHING, NO-EVICT or NO-TOUCH")
	}
}

func oneOf(arg []byte, words ...string) bool {
	for _, w := range words {
		if is(arg, w) {
			return true
		}
	}
	return false
}

const nameText = "ERR Client names cannot contain spaces, newlines or special characters."

// plainName reports whether a name can stand in a list of names, and is not so long that many of them were a burden.
func plainName(name []byte) bool {
	for _, c := range name {
		if c < '!' || c > '~' {
			return false
		}
	}
	return len(name) <= 256
}

// describe is the connection in a line.
func (s *session) describe() string {
	version := 2
	if s.reply.resp3 {
		version = 3
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s name=%s db=0 resp=%d", s.id, s.conn.RemoteAddr(), s.conn.LocalAddr(), s.name, version)
}

// info answers INFO [section ...]: what clients look for before they begin, and how much the door has to do.
func (s *session) info(args [][]byte) {
	stats := s.door.Stats()
	sections := []struct{ name, text string }{
		{"Server", "redis_version:" + redisVersion + "\r\nredis_mode:standalone\r\nsluice_version:" + s.door.config.Version + "\r\n"},
		{"Clients", "connected_clients:" + strconv.FormatInt(stats.Open, 10) + "\r\nmaxclients:" + strconv.Itoa(s.door.config.MaxClients) + "\r\n"},
		{"Persistence", "loading:0\r\n"},
		{"Stats", "total_connections_received:" + strconv.FormatInt(stats.Accepted, 10) + "\r\nrejected_connections:" + strconv.FormatInt(stats.Refused, 10) + "\r\n"},
		{"Replication", "role:master\r\nconnected_slaves:0\r\n"},
		{"Cluster", "cluster_enabled:0\r\n"},
	}
	var b strings.Builder
	for _, section := range sections {
		wanted := len(args) == 1
		for _, arg := range args[1:] {
			wanted = wanted || is(arg, section.name) || oneOf(arg, "all", "default", "everything")
		}
		if !wanted {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("# " + section.name + "\r\n" + section.text)
	}
	s.reply.verbatim(b.String())
}
