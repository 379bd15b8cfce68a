package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// rounds is how often a latency is measured.
const rounds = 20

// median asks several times, and returns how long the middle one of the answers took.
func median(ask func() error) (time.Duration, error) {
	took := make([]time.Duration, rounds)
	for i := range took {
		begun := time.Now()
		if err := ask(); err != nil {
			return 0, err
		}
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	return took[rounds/2], nil
}

func latency(ctx context.Context, p *patient, n *node) Finding {
	ping, err := median(func() error { return n.do(ctx, "PING").Error() })
	if err != nil {
		return notTold(err, "PING")
	}
	f := well("PING takes %s in the median of %d", short(ping), rounds)
	slowest := ping
	if script, err := median(func() error { return n.do(ctx, "EVAL", "return 1", "1", n.tag+"none").Error() }); err == nil {
		f.Found += fmt.Sprintf(", a script that does nothing %s", short(script))
		slowest = max(slowest, script)
	}
	f.Found += fmt.Sprintf("; store_timeout is %s", p.config.Timeout)
	if r := slow(slowest, p.config.Timeout); r > OK {
		return f.as(r, "put Redis near the servers, or raise store_timeout: a check that takes longer is decided by on_error")
	}
	return f
}

// slow judges a median by how long a check may wait: half of all take longer than it, and some several times as long.
func slow(median, most time.Duration) Result {
	switch {
	case median >= most:
		return Failure
	case median >= most/4:
		return Warning
	}
	return OK
}

// short says a time that was measured.
func short(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// The clocks: schedules, and blocks until an instant, go by that of Redis. Those of a Cluster are compared, see
// docs/operations.md.
const (
	clockOff   = 5 * time.Second
	clockApart = 500 * time.Millisecond
)

func clock(ctx context.Context, p *patient) Finding {
	ahead := make([]time.Duration, len(p.masters)) // of this machine
	for i, n := range p.masters {
		var err error
		if ahead[i], err = n.ahead(ctx); err != nil {
			return notTold(err, "TIME")
		}
		ahead[i] += p.config.ahead[n.name]
	}
	least, most := slices.Min(ahead), slices.Max(ahead)
	farthest := most
	if -least > most {
		farthest = least
	}
	f := well("%s this machine's", apart(farthest))
	if len(p.masters) > 1 {
		f.Found += fmt.Sprintf("; the masters are %s apart", short(most-least))
		if most-least >= clockApart {
			return f.as(Warning, "keep the clocks of the masters within half a second of each other, by NTP: a check compares two of them")
		}
	}
	if farthest.Abs() >= clockOff {
		return f.as(Warning, "put right whichever is wrong, by NTP: schedules are due, and blocks end, by the clock of Redis")
	}
	return f
}

// ahead returns how far the clock of a server is ahead of this machine's, which is known to half of a round trip: of
// several the quickest is taken.
func (n *node) ahead(ctx context.Context) (ahead time.Duration, err error) {
	quickest := time.Duration(-1)
	for range 5 {
		begun := time.Now()
		now, err := n.now(ctx)
		took := time.Since(begun)
		if err != nil {
			return 0, err
		}
		if quickest < 0 || took < quickest {
			quickest = took
			ahead = now.Sub(begun.Add(took / 2))
		}
	}
	return ahead, nil
}

// now returns what the clock of a server reads.
func (n *node) now(ctx context.Context) (time.Time, error) {
	parts, err := n.do(ctx, "TIME").AsIntSlice()
	if err == nil && len(parts) != 2 {
		err = unsaid("the answer has not two parts")
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(parts[0], parts[1]*1000), nil
}

func apart(d time.Duration) string {
	switch {
	case d.Abs() < 10*time.Millisecond:
		return "its clock is the same as"
	case d > 0:
		return "its clock is " + short(d) + " ahead of"
	}
	return "its clock is " + short(-d) + " behind"
}

// longPause is how long a fork may hold up all callers.
const longPause = 100 * time.Millisecond

func pauses(_ context.Context, _ *patient, n *node) Finding {
	micros, told := n.number("latest_fork_usec")
	if !told {
		return n.noInfo("latest_fork_usec")
	}
	took := time.Duration(micros) * time.Microsecond
	switch {
	case took == 0:
		return well("it has not forked since it started")
	case took >= longPause:
		return well("its last fork, for a snapshot or the append-only file, held up all callers for %s", short(took)).as(Warning,
			"give it less memory or a faster machine, or leave snapshots to a replica; checks that wait longer than store_timeout are decided by on_error")
	}
	return well("its last fork, for a snapshot or the append-only file, held up all callers for %s", short(took))
}

// Of the slow log, so many entries are looked at, and those no older: Redis keeps them until others take their place.
const (
	slowEntries = 128
	slowAge     = 24 * time.Hour
)

// slowCommand is an entry of the slow log.
type slowCommand struct {
	at      time.Time
	took    time.Duration
	command []string
}

// slowCommands reads the answer to SLOWLOG GET: of each entry its number, when it began in seconds since 1970, how many
// microseconds it took, the command, and more.
func slowCommands(entries []rueidis.RedisMessage) (all []slowCommand) {
	for _, e := range entries {
		parts, err := e.ToArray()
		if err != nil || len(parts) < 4 {
			continue
		}
		at, err1 := parts[1].AsInt64()
		micros, err2 := parts[2].AsInt64()
		command, err3 := parts[3].AsStrSlice()
		if err1 != nil || err2 != nil || err3 != nil || len(command) == 0 {
			continue
		}
		all = append(all, slowCommand{time.Unix(at, 0), time.Duration(micros) * time.Microsecond, command})
	}
	return all
}

// recent returns those commands of a slow log that began in the last day before now.
func recent(all []slowCommand, now time.Time) []slowCommand {
	return slices.DeleteFunc(slices.Clone(all), func(c slowCommand) bool { return now.Sub(c.at) > slowAge })
}

func slowLog(ctx context.Context, p *patient, n *node) Finding {
	entries, err := n.do(ctx, "SLOWLOG", "GET", fmt.Sprint(slowEntries)).ToArray()
	if err != nil {
		return notTold(err, "SLOWLOG GET")
	}
	commands, span := slowCommands(entries), "of the whole slow log" // where TIME is refused
	if now, err := n.now(ctx); err == nil {
		commands, span = recent(commands, now.Add(p.config.ahead[n.name])), "in the last day"
	}
	ours, others := 0, 0
	var ourWorst, otherWorst time.Duration
	worstCommand := ""
	for _, c := range commands {
		if isOurs(c.command, p.config.Prefix) {
			ours++
			ourWorst = max(ourWorst, c.took)
		} else if others++; c.took > otherWorst {
			otherWorst, worstCommand = c.took, strings.ToUpper(c.command[0]) // alone: what follows may be a secret
		}
	}
	switch {
	case ours > 0:
		return well("%s, %d of %d slow commands are Sluice's own, the slowest took %s", span, ours, len(commands), short(ourWorst)).as(Warning,
			"its machine is overloaded, or its memory swapped out: see the load, and used_memory_rss")
	case others > 0:
		return well("%s, no slow command is Sluice's; of %d others the slowest, %s, held up all callers for %s", span, others, worstCommand, short(otherWorst)).
			as(Note, "where store_timeout is shorter than that, on_error decided meanwhile; SLOWLOG GET says what else is slow")
	}
	if len(entries) > 0 {
		return well("its slow log has no slow command %s", span)
	}
	return well("its slow log is empty")
}

// isOurs reports whether a command is a script over keys with the prefix: EVALSHA SHA NUMKEYS KEY...
func isOurs(command []string, prefix string) bool {
	name := strings.ToUpper(command[0])
	return (name == "EVALSHA" || name == "EVAL") && len(command) > 3 && strings.HasPrefix(command[3], prefix+"{")
}
