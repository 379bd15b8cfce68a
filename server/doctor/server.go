package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// oldest are the versions that Sluice is tried on at least.
var oldest = map[string][2]int{"Redis": {6, 2}, "Valkey": {7, 2}}

func version(_ context.Context, _ *patient, n *node) Finding {
	product, number := n.product()
	if number == "" {
		return n.noInfo("redis_version")
	}
	least, known := oldest[product]
	if !known {
		return well("%s %s", product, number).as(Note, "Sluice is tried on Redis and Valkey only: try it before you rely on it")
	}
	parts := strings.SplitN(number, ".", 3)
	major, err1 := strconv.Atoi(parts[0])
	minor := 0
	err2 := error(nil)
	if len(parts) > 1 {
		minor, err2 = strconv.Atoi(parts[1])
	}
	want := fmt.Sprintf("%s %d.%d", product, least[0], least[1])
	switch {
	case err1 != nil || err2 != nil:
		return well("%s says of itself that it is version %q", product, number).as(Note, "see that it is "+want+" or newer")
	case major < least[0] || major == least[0] && minor < least[1]:
		return well("%s %s, which is older than %s", product, number, want).as(Failure, "use "+want+" or newer: the scripts need what came with it")
	}
	return well("%s %s", product, number)
}

// product returns what the server is, and its version; that is "" where it does not say.
func (n *node) product() (name, number string) {
	if v := n.info["valkey_version"]; v != "" {
		return "Valkey", v
	}
	for _, other := range []string{"dragonfly_version", "garnet_version", "kvrocks_version"} {
		if v := n.info[other]; v != "" {
			return strings.TrimSuffix(other, "_version"), v
		}
	}
	if v := n.info["redis_version"]; v != "" {
		return "Redis", v
	}
	switch name = n.hello["server"]; name {
	case "redis":
		name = "Redis"
	case "valkey":
		name = "Valkey"
	}
	return name, n.hello["version"]
}

func role(_ context.Context, p *patient, n *node) Finding {
	switch {
	case n.info["role"] == "":
		return n.noInfo("role")
	case n.info["role"] == "master":
		return well("a master")
	}
	remedy := "give the address of its master, " + n.info["master_host"] + ":" + n.info["master_port"]
	if p.behindSentinel() {
		remedy = "a failover may be under way: look again; if it stays so, see SENTINEL MASTER " + p.option.Sentinel.MasterSet
	}
	return well("a replica of %s:%s, which takes no writes", n.info["master_host"], n.info["master_port"]).as(Failure, remedy)
}

func connections(ctx context.Context, _ *patient, n *node) Finding {
	open, told := n.number("connected_clients")
	if !told {
		return n.noInfo("connected_clients")
	}
	most, told := n.number("maxclients")
	if !told { // INFO says it from Redis 7 on
		text, err := n.setting(ctx, "maxclients")
		if err != nil {
			return notTold(err, "CONFIG GET")
		}
		most, _ = strconv.ParseInt(text, 10, 64)
	}
	f := well("%d of at most %d connections are open", open, most)
	const remedy = "raise its setting maxclients, or find who leaves connections open: CLIENT LIST"
	rejected, _ := n.number("rejected_connections")
	switch {
	case most > 0 && open*100 >= most*95:
		return f.as(Failure, remedy)
	case most > 0 && open*100 >= most*80:
		return f.as(Warning, remedy)
	case rejected > 0:
		f.Found += fmt.Sprintf("; since it started, %d were turned away", rejected)
		return f.as(Note, remedy)
	}
	return f
}

// leastIdle is the least number of seconds that a quiet connection of a server must be left open.
const leastIdle = 30

func idleTimeout(ctx context.Context, _ *patient, n *node) Finding {
	text, err := n.setting(ctx, "timeout")
	if err != nil {
		return notTold(err, "CONFIG GET")
	}
	switch seconds, err := strconv.Atoi(text); {
	case err != nil || seconds == 0:
		return well("quiet connections stay open")
	case seconds < leastIdle:
		return well("connections that are quiet for %d s are cut", seconds).as(Warning, fmt.Sprintf(
			"set timeout to 0, or to %d or more: a check that meets a cut connection is decided by on_error", leastIdle))
	default:
		return well("connections that are quiet for %d s are cut", seconds)
	}
}

// leastScript is the least number of milliseconds that a script must be let run before others are answered BUSY.
const leastScript = 100

func scriptLimit(ctx context.Context, _ *patient, n *node) Finding {
	text, err := n.setting(ctx, "busy-reply-threshold", "lua-time-limit") // the one from Redis 7 on
	if err != nil {
		return notTold(err, "CONFIG GET")
	}
	ms, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return well("not told: its limit reads %q", text).as(Note, "")
	case ms <= 0:
		return well("scripts may run for as long as they do")
	case ms < leastScript:
		return well("a script of %d ms makes it answer BUSY to everybody", ms).as(Warning, fmt.Sprintf(
			"set busy-reply-threshold (before Redis 7, lua-time-limit) to %d or more; its default is 5000", leastScript))
	}
	return well("scripts may run for %d ms; those of Sluice take some microseconds", ms)
}
