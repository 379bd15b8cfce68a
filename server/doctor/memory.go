package doctor

import (
	"context"
	"fmt"
	"strings"
)

func eviction(_ context.Context, _ *patient, n *node) Finding {
	policy := n.info["maxmemory_policy"]
	if policy == "" {
		return n.noInfo("maxmemory_policy")
	}
	bound, _ := n.number("maxmemory")
	evicted, _ := n.number("evicted_keys")
	f := well("maxmemory-policy is %s", policy)
	if evicted > 0 {
		f.Found += fmt.Sprintf(", and %d keys have been evicted since it started", evicted)
	}
	const remedy = "set maxmemory-policy noeviction, and give Sluice a Redis of its own where a cache needs another"
	switch {
	case policy == "noeviction":
		f.Found += ": what is counted is kept until it means nothing"
		return f
	case bound == 0 && evicted == 0:
		f.Found += ", which has no effect as long as maxmemory is 0"
		return f.as(Note, remedy)
	case strings.HasPrefix(policy, "volatile-"):
		f.Found += ": when memory is full, counters and blocks are forgotten early, so that somebody who makes up keys can wash away his own refusal"
		return f.as(Warning, remedy)
	}
	f.Found += ": when memory is full, counters, blocks, overrides for good and the audit log are forgotten"
	return f.as(Failure, remedy)
}

func memory(_ context.Context, _ *patient, n *node) Finding {
	used, told := n.number("used_memory")
	if !told {
		return n.noInfo("used_memory")
	}
	bound, _ := n.number("maxmemory")
	if bound == 0 {
		total, _ := n.number("total_system_memory")
		if total > 0 && used*100 >= total*80 {
			return well("%s used of the %s that the machine has, and maxmemory is 0", size(used), size(total)).as(Warning,
				"set maxmemory, and see that the machine has twice what is used: docs/operations.md has what keys take")
		}
		return well("%s used, and maxmemory is 0: it grows until the machine has none", size(used)).as(Note, "set maxmemory to half of what the machine has")
	}
	f := well("%s used of maxmemory %s", size(used), size(bound))
	if n.info["maxmemory_policy"] != "noeviction" {
		return f // what happens then is told under eviction
	}
	const remedy = "raise maxmemory: when it is full, charges fail with OOM and on_error decides"
	switch {
	case used*100 >= bound*95:
		return f.as(Failure, remedy)
	case used*100 >= bound*80:
		return f.as(Warning, remedy)
	}
	return f
}

// size says a number of bytes to people.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
}

func persistence(ctx context.Context, _ *patient, n *node) Finding {
	if f, failing := saving(ctx, n); failing {
		return f
	}
	if n.info["aof_enabled"] == "" {
		return n.noInfo("aof_enabled")
	}
	if n.info["aof_enabled"] == "1" {
		every, err := n.setting(ctx, "appendfsync")
		switch {
		case err != nil:
			return well("the append-only file is on: a crash loses some seconds at most")
		case every == "no":
			return well("the append-only file is on with appendfsync no: a crash of the machine loses what the system had not written, half a minute or so").
				as(Note, "set appendfsync everysec")
		}
		return well("the append-only file is on with appendfsync %s: a crash loses a second or two at most", every)
	}
	const remedy = "set appendonly yes and appendfsync everysec where limits of a day, quotas, overrides of keys or live policies matter"
	schedule, err := n.setting(ctx, "save")
	switch {
	case err != nil:
		f := notTold(err, "CONFIG GET")
		f.Found = "no append-only file; whether there are snapshots is " + f.Found
		return f
	case schedule == "":
		return well("nothing is kept: a restart forgets all counters, blocks and overrides of keys, and the audit log").as(Warning, remedy)
	}
	return well("snapshots only (save %s): a crash forgets what was written since the last one", schedule).as(Note, remedy)
}

// saving reports whether the server cannot write what it should.
func saving(ctx context.Context, n *node) (f Finding, failing bool) {
	switch {
	case n.info["loading"] == "1":
		return well("it is still loading its data, and answers nobody").as(Failure, "wait until it has, and look again"), true
	case n.info["aof_last_write_status"] == "err":
		return well("the append-only file cannot be written: every charge is refused (MISCONF)").as(Failure, "see its log, and the disk"), true
	case n.info["rdb_last_bgsave_status"] == "err":
		f := well("the last snapshot could not be written")
		schedule, err1 := n.setting(ctx, "save")
		stop, err2 := n.setting(ctx, "stop-writes-on-bgsave-error")
		if err1 == nil && err2 == nil && schedule != "" && stop == "yes" {
			f.Found += ": every charge is refused (MISCONF)"
			return f.as(Failure, `see its log, and the disk; or set save "" where nothing needs to be kept`), true
		}
		return f.as(Warning, "see its log, and the disk"), true
	}
	return f, false
}
