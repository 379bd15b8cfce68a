package doctor

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/rueidis"
)

// scratchLife is how long a key lives that is written to see whether it can be; it is removed before, as a rule. Whoever
// writes it gives it that life by the same command: what comes after may be forbidden, or never come.
const scratchLife = "10000"

// trial is a script that does what those of Sluice do: it reads the clock, packs and unpacks a value, and writes it with a
// time to live.
const trial = `local seconds = redis.call('TIME')[1]
redis.call('SET', KEYS[1], struct.pack('>I7', seconds), 'PX', ARGV[1], 'GET')
local read = struct.unpack('>I7', redis.call('GET', KEYS[1]))
redis.call('DEL', KEYS[1])
return {read, tonumber(seconds)}`

// key returns the name of a scratch key that nobody else has.
func (n *node) key(kind string) string { return n.tag + rand.Text() + ":" + kind }

func writes(ctx context.Context, p *patient, n *node) Finding {
	key := n.key("string")
	err := n.do(ctx, "SET", key, "1", "PX", scratchLife).Error()
	_ = n.do(ctx, "DEL", key) // it expires if it cannot be removed
	switch {
	case err == nil:
		return well("a key can be written")
	case moved(err):
		return p.elsewhere(err)
	}
	for _, r := range []struct{ begins, remedy string }{
		{"NOPERM", "give the user the keys of the prefix and the commands that docs/redis-keys.md lists"},
		{"OOM", "raise maxmemory: until then charges are refused and on_error decides"},
		{"MISCONF", `see the disk that it saves to, and its log; or set save "" where nothing needs to be kept`},
		{"NOREPLICAS", "bring its replicas back, or lower min-replicas-to-write"},
		{"READONLY", "give the address of the master"},
		{"CLUSTERDOWN", "see which slots have no node: CLUSTER NODES"},
	} {
		if strings.HasPrefix(err.Error(), r.begins) {
			return well("no key can be written: %v", err).as(Failure, r.remedy)
		}
	}
	return well("no key can be written: %v", err).as(Failure, "see its log")
}

// moved reports whether a command was not done because its key is on another node of a Cluster, or on its way there.
func moved(err error) bool {
	refusal, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	_, gone := refusal.IsMoved()
	_, going := refusal.IsAsk()
	return gone || going || refusal.IsTryAgain()
}

// elsewhere is the finding where a key that was to be tried is on another node.
func (p *patient) elsewhere(err error) Finding {
	if p.unseen {
		return well("a key of this Cluster cannot be written: %v", err).as(Failure, mayAskForSlots)
	}
	return well("not told: slots are on the move (%v)", err).as(Note, whenSlotsStand)
}

func scripts(ctx context.Context, p *patient, n *node) Finding {
	sum := sha1.Sum([]byte(trial))
	sha := hex.EncodeToString(sum[:])
	for _, call := range [][]string{{"EVAL", trial}, {"EVALSHA", sha}} {
		command := append(call, "1", n.key("string"), scratchLife)
		numbers, err := n.do(ctx, command...).AsIntSlice()
		refusal, refused := rueidis.IsRedisErr(err)
		switch {
		case moved(err):
			return p.elsewhere(err)
		case refused && strings.HasPrefix(refusal.Error(), "NOSCRIPT"):
			return well("it forgets scripts: EVALSHA does not know what EVAL has just run").as(Failure, "ask Redis directly, or by a proxy that sends both to the same server")
		case refused && strings.Contains(refusal.Error(), "struct"):
			return well("scripts have no struct library: %v", refusal).as(Failure, "use Redis or Valkey, which have it built in")
		case refused:
			return well("a script that writes one key fails: %v", refusal).as(Failure, "see the remedies of writes and rights")
		case err != nil:
			return notTold(err, call[0])
		case len(numbers) != 2 || numbers[0] != numbers[1]:
			return well("a script packed a number and read another: %d", numbers).as(Failure, "use Redis or Valkey: what is there does not keep what scripts write")
		}
	}
	return well("a script runs by EVAL and by EVALSHA, with the clock and the struct library")
}

// attempt is one permission that is tried by using it.
type attempt struct {
	// may is how ACL SETUSER gives it, such as "+get".
	may string
	// command is what to try; its keys are what use returns.
	command func(use func(kind string) string) []string
	// recent says that old versions have no such command, which is no permission that is missing.
	recent bool
}

// on is a command that begins with a key.
func on(name, kind string, rest ...string) attempt {
	return attempt{may: "+" + strings.ToLower(name), command: func(use func(string) string) []string {
		return append([]string{name, use(kind)}, rest...)
	}}
}

// plain is a command without a key.
func plain(may string, command ...string) attempt {
	return attempt{may: may, command: func(func(string) string) []string { return command }}
}

// group is permissions that are for the same.
type group struct {
	attempts []attempt
	without  string // what does not work without them
	result   Result
}

// noScript is the digest of no script.
var noScript = strings.Repeat("0", 40)

// groups are all permissions, as docs/redis-keys.md has them. Their keys are not there, and each command is tried in a form
// that does not bring one about: only with XX, with NOMKSTREAM, with nothing to write, or with a field without a value, of
// which Redis complains once it has seen that the user may. So none is left behind, whatever fails.
var groups = []group{
	{[]attempt{
		{may: "+evalsha", command: func(use func(string) string) []string { return []string{"EVALSHA", noScript, "1", use("string")} }},
		{may: "+eval", command: func(use func(string) string) []string { return []string{"EVAL", "return 1", "1", use("string")} }},
		plain("+time", "TIME"),
		on("SET", "string", "1", "PX", scratchLife, "XX"), on("GET", "string"), on("MGET", "string"), on("EXISTS", "string"), on("SETRANGE", "string", "0", ""),
		on("PTTL", "string"), on("PEXPIRE", "string", scratchLife), on("PEXPIREAT", "string", "4102444800000"), on("DEL", "string"),
	}, "checks fail", Failure},
	{[]attempt{
		on("ZADD", "zset", "XX", "0", "a"), on("ZSCORE", "zset", "a"), on("ZCARD", "zset"),
		on("ZRANGE", "zset", "0", "0"), on("ZRANGEBYSCORE", "zset", "0", "1"), on("ZRANGEBYLEX", "zset", "-", "+"), on("PERSIST", "zset"),
		on("ZREM", "zset", "a"),
	}, "no block or override of a key can be set, lifted or listed", Warning},
	{[]attempt{
		on("HSET", "hash", "f", "1", "g"), on("HGET", "hash", "f"), on("HGETALL", "hash"), on("HDEL", "hash", "f"),
		on("XADD", "stream", "NOMKSTREAM", "*", "f", "1"), on("XLEN", "stream"), on("XREVRANGE", "stream", "+", "-", "COUNT", "1"),
	}, "no policy or schedule can be changed while running, and no schedule is carried out", Warning},
	{[]attempt{plain("+ping", "PING")}, "idle connections are not kept alive", Note},
}

// clusterGroups are the permissions that are for a Cluster. The client asks for the slots by one of two commands.
func (p *patient) clusterGroups() []group {
	slots, shards := plain("+cluster|slots", "CLUSTER", "SLOTS"), plain("+cluster|shards", "CLUSTER", "SHARDS")
	shards.recent = true
	asked, other := slots, shards
	without := "it cannot be asked which node has which slots by a server from version 8 on"
	if major, _, _ := strings.Cut(p.masters[0].hello["version"], "."); !p.option.AlwaysRESP2 && len(major) > 0 && (len(major) > 1 || major >= "8") {
		asked, other = shards, slots
		without = "it cannot be asked which node has which slots before version 8, or with protocol=2"
	}
	return []group{
		{[]attempt{asked}, "the Cluster is taken for a single server, and checks of keys on other nodes fail (MOVED)", Failure},
		{[]attempt{plain("+asking", "ASKING")}, "checks of keys in slots that are being moved fail by timeout", Warning},
		{[]attempt{other}, without, Note},
	}
}

// rights tries every command that Sluice uses.
func rights(ctx context.Context, p *patient) Finding {
	groups := slices.Clone(groups)
	channel := p.config.Prefix + "{~fleet}changed"
	groups = append(groups, group{
		[]attempt{plain("+publish &"+channel, "PUBLISH", channel, ""), {may: "+subscribe &" + channel}},
		"changes of policies take a fifth of a second longer", Note,
	})
	if p.onCluster() || p.unseen {
		groups = append(groups, p.clusterGroups()...)
	}
	if p.behindSentinel() {
		groups = append(groups, group{[]attempt{plain("+role", "ROLE")}, "no client connects", Failure})
	}
	tried := 0
	var found []Finding
	for _, g := range groups {
		missing, err := p.try(ctx, g, channel)
		if err != nil {
			return well("what the user may do could not be tried: %v", err).as(Failure, "look again when the rest is well")
		}
		tried += len(g.attempts)
		if len(missing) > 0 {
			list := strings.Join(missing, " ")
			found = append(found, well("the user may not do all that is needed: without %s, %s", list, g.without).as(g.result, "ACL SETUSER ... "+list))
		}
	}
	if len(found) == 0 {
		return well("the user may do all that Sluice does: %d commands tried", tried)
	}
	f := worst(found)
	if len(found) > 1 {
		var texts, remedies []string
		for _, one := range found {
			texts = append(texts, strings.TrimPrefix(one.Found, "the user may not do all that is needed: "))
			remedies = append(remedies, strings.TrimPrefix(one.Remedy, "ACL SETUSER ... "))
		}
		f.Found = "the user may not do all that is needed: " + strings.Join(texts, "; ")
		f.Remedy = "ACL SETUSER ... " + strings.Join(remedies, " ")
	}
	return f
}

// try uses each permission of a group on every master, and returns those that are missing. An answer that is an error for
// another reason shows that the command may be used.
func (p *patient) try(ctx context.Context, g group, channel string) (missing []string, err error) {
	for _, n := range p.masters {
		for _, a := range g.attempts {
			var err error
			if a.command == nil {
				err = subscribe(ctx, n, channel)
			} else {
				err = n.do(ctx, a.command(n.key)...).Error()
			}
			refusal, refused := rueidis.IsRedisErr(err)
			switch {
			case refused && isMissing(refusal.Error(), a.recent):
				may := a.may
				if deniesKeys(refusal.Error()) {
					may = "~" + p.config.Prefix + "*"
				}
				if !slices.Contains(missing, may) {
					missing = append(missing, may)
				}
			case err != nil && !refused && !rueidis.IsRedisNil(err):
				return nil, fmt.Errorf("%s: %w", a.may, err)
			}
		}
	}
	return missing, nil
}

// isMissing reports whether a refusal says that the user may not, or that there is no such command though it is no recent one.
func isMissing(refusal string, recent bool) bool {
	refusal = strings.ToLower(refusal)
	if recent {
		return strings.HasPrefix(refusal, "noperm")
	}
	return strings.HasPrefix(refusal, "noperm") || strings.Contains(refusal, "unknown command") || strings.Contains(refusal, "unknown subcommand")
}

// subscribe hears a channel for as long as it takes to know that it may.
func subscribe(ctx context.Context, n *node, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	heard := false
	hooked := rueidis.WithOnSubscriptionHook(ctx, func(rueidis.PubSubSubscription) {
		heard = true
		cancel()
	})
	err := n.client.Receive(hooked, n.client.B().Subscribe().Channel(channel).Build(), func(rueidis.PubSubMessage) {})
	if heard && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
