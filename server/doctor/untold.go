package doctor

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// unsaid is what an answer lacks.
type unsaid string

func (u unsaid) Error() string { return string(u) }

const (
	whereManaged   = "look at it where the Redis is managed"
	whenSlotsStand = "look again when that is over: redis-cli --cluster check HOST:PORT"
)

// notTold is the finding where a server does not tell, by one of the commands. One that has not answered at all is another
// matter.
func notTold(err error, commands ...string) Finding {
	names := strings.Join(commands, ", ")
	refusal, refused := rueidis.IsRedisErr(err)
	switch {
	case moved(err):
		return well("not told: slots are on the move (%v)", err).as(Note, whenSlotsStand)
	case refused && deniesKeys(refusal.Error()):
		return well("not told: it refuses %s (%s)", names, refusal).as(Note, "give the user the keys of the prefix (docs/redis-keys.md)")
	case refused && strings.HasPrefix(refusal.Error(), "NOPERM"):
		rules := make([]string, len(commands))
		for i, command := range commands {
			rules[i] = "+" + strings.ToLower(strings.ReplaceAll(command, " ", "|"))
		}
		return well("not told: it refuses %s (%s)", names, refusal).as(Note, "give the user "+strings.Join(rules, " ")+" for the time of the look, or "+whereManaged)
	case refused:
		return well("not told: it refuses %s (%s)", names, refusal).as(Note, "look again, or "+whereManaged)
	case answered(err):
		return well("not told by %s: %v", names, err).as(Note, whereManaged)
	}
	return well("it did not answer %s: %v", names, err).as(Failure, "see that the server is up and the network holds, and look again")
}

// answered reports whether an error is about what an answer says.
func answered(err error) bool {
	lacks, number := unsaid(""), (*strconv.NumError)(nil)
	return errors.As(err, &lacks) || errors.As(err, &number) || rueidis.IsParseErr(err) || rueidis.IsRedisNil(err)
}

// keysDenied is how versions word it.
var keysDenied = regexp.MustCompile(`access (a key|one of the keys)`)

// deniesKeys reports whether a refusal is about the keys of a command, and not about the command.
func deniesKeys(refusal string) bool {
	return strings.HasPrefix(refusal, "NOPERM") && keysDenied.MatchString(refusal)
}

// noInfo is the finding where INFO is not told, or lacks a field.
func (n *node) noInfo(field string) Finding {
	if n.untold != nil {
		return notTold(n.untold, "INFO")
	}
	return well("not told: INFO has no %s", field).as(Note, whereManaged)
}
