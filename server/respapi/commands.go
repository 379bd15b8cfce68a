package respapi

import (
	"fmt"
	"slices"
	"strings"
)

// command is one that this door knows.
type command struct {
	name string
	// least and most are how many arguments it takes, its name among them; most is 0 where there is no end.
	least, most int
	// run answers it.
	run func(s *session, args [][]byte)
	// joins says that run answers together with others of its kind, in order.
	joins bool
	// open says that a client may use it who has not given the password yet.
	open bool
	// admin says that it changes what others are answered, or whom they are.
	admin bool
	// inline says that it brings limits of its own.
	inline bool
	// keyed says that its first argument is a key, as Redis understands it.
	keyed bool
	// does says what it does, in a sentence.
	does string
}

// longestName is the length of the longest name of a command, and some more.
const longestName = 16

// commandTable returns all commands by name: Redis's own, as far as clients use them to connect; redis-cell's; and ours.
func commandTable() map[string]*command {
	list := []command{
		{name: "CL.THROTTLE", least: 1, run: (*session).throttle, joins: true, inline: true, keyed: true, does: "Checks a key by the numbers given, as redis-cell does"},
		{name: "SL.CHECK", least: 3, most: 4, run: func(s *session, args [][]byte) { s.check(args, false) }, joins: true, does: "Checks a key by a policy"},
		{name: "SL.PEEK", least: 3, most: 4, run: func(s *session, args [][]byte) { s.check(args, true) }, joins: true, does: "Says what a check would be answered, and takes nothing"},
		{name: "SL.RESET", least: 3, most: 3, run: (*session).reset, admin: true, does: "Forgets what a key has used of a policy"},
		{name: "SL.BLOCK", least: 4, most: 5, run: (*session).block, admin: true, does: "Bars a key of a policy for so many milliseconds"},
		{name: "SL.UNBLOCK", least: 3, most: 3, run: (*session).unblock, admin: true, does: "Ends the block of a key"},
		{name: "AUTH", least: 2, most: 3, run: (*session).auth, open: true, does: "Gives the password"},
		{name: "HELLO", least: 1, run: (*session).hello, open: true, does: "Chooses the version of the protocol"},
		{name: "QUIT", least: 1, run: (*session).quit, open: true, does: "Closes the connection"},
		{name: "RESET", least: 1, most: 1, run: (*session).restart, open: true, does: "Makes the connection as it was when it was new"},
		{name: "PING", least: 1, most: 2, run: (*session).ping, does: "Answers PONG, or the text given"},
		{name: "ECHO", least: 2, most: 2, run: (*session).echo, does: "Answers the text given"},
		{name: "SELECT", least: 2, most: 2, run: (*session).selects, does: "Chooses the database 0, the only one"},
		{name: "CLIENT", least: 2, run: (*session).client, does: "Names the connection, and the like"},
		{name: "COMMAND", least: 1, run: (*session).command, does: "Lists the commands"},
		{name: "INFO", least: 1, run: (*session).info, does: "Says something of the server"},
	}
	all := make(map[string]*command, len(list))
	for i := range list {
		all[list[i].name] = &list[i]
	}
	return all
}

// arity is how COMMAND says how many arguments there are: a negative number is the least.
func (c *command) arity() int64 {
	if c.least == c.most {
		return int64(c.least)
	}
	return -int64(c.least)
}

// takes reports whether the command takes so many arguments.
func (c *command) takes(n int) bool { return n >= c.least && (c.most == 0 || n <= c.most) }

// find returns a command by its name, in whatever case; nil where there is none.
func (d *Door) find(name []byte) *command {
	if len(name) > longestName {
		return nil
	}
	var upper [longestName]byte
	for i, c := range name {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	return d.commands[string(upper[:len(name)])]
}

// is reports whether an argument is a word, in whatever case.
func is(arg []byte, word string) bool {
	return len(arg) == len(word) && strings.EqualFold(string(arg), word)
}

// unknownText is what Redis says to a command that it does not know.
func unknownText(args [][]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ERR unknown command %s, with args beginning with: ", quoted(args[0]))
	for _, arg := range args[1:min(len(args), 5)] {
		fmt.Fprintf(&b, "%s ", quoted(arg))
	}
	return b.String()
}

func arityText(name string) string {
	return "ERR wrong number of arguments for '" + strings.ToLower(name) + "' command"
}

// command answers COMMAND and what comes under it.
func (s *session) command(args [][]byte) {
	r := &s.reply
	switch {
	case len(args) == 1:
		s.commandInfo(s.commandNames(nil))
	case is(args[1], "COUNT") && len(args) == 2:
		r.integer(int64(len(s.door.commands)))
	case is(args[1], "LIST") && len(args) == 2:
		names := s.commandNames(nil)
		r.array(len(names))
		for _, name := range names {
			r.text(strings.ToLower(name))
		}
	case is(args[1], "INFO"):
		s.commandInfo(s.commandNames(args[2:]))
	case is(args[1], "DOCS"):
		s.commandDocs(s.commandNames(args[2:]))
	case is(args[1], "GETKEYS") && len(args) > 3:
		c := s.door.find(args[2])
		if c == nil || !c.keyed {
			r.fail("ERR The command has no key arguments")
			return
		}
		r.array(1)
		s.echo(args[2:]) // a key can be as long
	default:
		r.fail("ERR unknown subcommand " + quoted(args[1]) + "; it must be COUNT, LIST, INFO, DOCS or GETKEYS")
	}
}

// commandNames returns the names of commands that were asked for; all in order where none was.
func (s *session) commandNames(asked [][]byte) (names []string) {
	for _, name := range asked {
		names = append(names, strings.ToUpper(printable(name, longestName)))
	}
	if len(asked) == 0 {
		for name := range s.door.commands {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	return names
}

func (s *session) commandInfo(names []string) {
	r := &s.reply
	r.array(len(names))
	for _, name := range names {
		s.spill()
		c := s.door.commands[name]
		if c == nil {
			r.null()
			continue
		}
		first := int64(0)
		if c.keyed {
			first = 1
		}
		r.array(10)
		r.text(strings.ToLower(c.name))
		r.integer(c.arity())
		flags := c.flags()
		r.set(len(flags))
		for _, flag := range flags {
			r.simple(flag)
		}
		r.integer(first) // the first key, the last, and from one to the next
		r.integer(first)
		r.integer(first)
		r.set(0)   // categories of access control
		r.array(0) // tips
		r.array(0) // specifications of keys
		r.array(0) // commands under it
	}
}

// flags are what Redis would say of such a command.
func (c *command) flags() []string {
	flags := []string{"fast"}
	if c.keyed {
		flags = append(flags, "write")
	}
	if c.open {
		flags = append(flags, "no_auth")
	}
	if c.admin {
		flags = append(flags, "admin")
	}
	return flags
}

func (s *session) commandDocs(names []string) {
	r := &s.reply
	names = slices.DeleteFunc(names, func(name string) bool { return s.door.commands[name] == nil })
	r.mapping(len(names))
	for _, name := range names {
		s.spill()
		c := s.door.commands[name]
		r.text(strings.ToLower(c.name))
		r.mapping(3)
		r.text("summary")
		r.text(c.does)
		r.text("since")
		r.text("1.0.0")
		r.text("group")
		r.text("module")
	}
}
