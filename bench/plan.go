package main

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strconv"
)

// plan returns the contests of all rows that the settings ask for.
func plan(s settings) []group {
	groups := []group{redisGroup(), leaseGroup(), denyGroup(), memoryGroup(), weightGroup(), growthGroup(s.live), httpGroup(), envoyGroup(), respGroup()}
	for i := range groups {
		groups[i].keep(s.only)
	}
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.contests) == 0 })
}

// keep drops the rows that the expression does not match, and those of limiters that are for other loads.
func (g *group) keep(only *regexp.Regexp) {
	for i := range g.contests {
		c := &g.contests[i]
		c.limiters = slices.DeleteFunc(slices.Clone(c.limiters), func(l limiter) bool {
			return l.goroutines != 0 && l.goroutines != c.load.goroutines || !only.MatchString(c.name+"/"+l.name)
		})
	}
	g.contests = slices.DeleteFunc(g.contests, func(c contest) bool { return len(c.limiters) == 0 })
}

// redisGroup is exact decisions on Redis, each checked there before it is answered.
func redisGroup() group {
	g := group{
		name: "redis", title: "Exact decisions", redis: true, allowance: plenty,
		columns: slices.Concat(loadColumns, allocColumns, []column{callsColumn, failedColumn}, bestColumns, redisRateColumns, getColumns),
		metrics: []metric{rateMetric, p50Metric, p99Metric, allocsMetric},
		note:    fmt.Sprintf("Spread is %s keys in random order, hot is one key.", count(spreadKeys)),
	}
	bucket := sluiceOnRedis("sluice token-bucket", "bucket", tokenBucket)
	keys := makeKeys(spreadKeys)
	for _, goroutines := range []int{1, 16, 256, 1024} {
		g.add("spread", keys, goroutines, 8, bucket)
	}
	for _, goroutines := range []int{1, 16, 256} {
		g.add("hot", keys.first(1), goroutines, 8, bucket)
	}
	for i := range g.contests {
		c := &g.contests[i]
		if c.name == "redis/spread/256" {
			c.limiters = append(c.limiters,
				sluiceOnRedis("sluice sliding-window", "sliding", slidingWindow),
				sluiceOnRedis("sluice 3 buckets", "buckets", threeBuckets),
				sluiceOnRedis("sluice 3 kinds", "kinds", threeKinds))
		}
		if c.load.goroutines == 1 {
			c.limiters = append(c.limiters, bareGet())
		}
		c.limiters = append(c.limiters, redisRivals()...)
	}
	return g
}

// add appends a contest, of whose asks one in so many is timed.
func (g *group) add(name string, keys keyList, goroutines, every int, limiters ...limiter) {
	c := contest{
		name: fmt.Sprintf("%s/%s/%d", g.name, name, goroutines), keys: name, limiters: limiters,
		load: load{keys: keys, goroutines: goroutines, every: every},
	}
	c.label = labels[c.name]
	g.contests = append(g.contests, c)
}

// memoryGroup is decisions of the embedded stores.
func memoryGroup() group {
	g := group{
		name: "memory", title: "Embedded stores", allowance: plenty,
		columns: slices.Concat(loadColumns, allocColumns, []column{failedColumn}, bestColumns),
		metrics: []metric{rateMetric, p50Metric, p99Metric, allocsMetric},
		note: fmt.Sprintf("Spread is %s keys in random order, hot is one key. x/time is a limiter for each key in a sync.Map, which never forgets one.",
			count(memoryKeys)),
	}
	limiters := slices.Concat([]limiter{
		sluiceInMemory("sluice token-bucket", tokenBucket),
		sluiceInMemory("sluice sliding-window", slidingWindow),
	}, memoryRivals())
	keys, goroutines := makeKeys(memoryKeys), []int{1, runtime.GOMAXPROCS(0), 16, 256}
	slices.Sort(goroutines)
	goroutines = slices.Compact(goroutines)
	for _, n := range goroutines {
		g.add("spread", keys, n, 64, limiters...)
	}
	for _, n := range goroutines {
		g.add("hot", keys.first(1), n, 64, limiters...)
	}
	return g
}

// growthGroup is how the cost of a decision grows with how many are asked for at once, and with how many keys there are.
func growthGroup(live []int) group {
	g := group{
		name: "growth", title: "Growth", redis: true, allowance: lasting,
		columns: slices.Concat(loadColumns, []column{callsColumn, failedColumn, firstColumn}),
		note:    "A batch is one CheckAll, and p50 and p99 are of the whole batch. With keys in Redis each row has a redis-server of its own, in which there are so many; a unit comes back in a day, so that none of them expires meanwhile.",
	}
	var batches []limiter
	for _, n := range []int{1, 10, 100, 1000} {
		batches = append(batches, sluiceBatches(count(n)+" keys a batch", n))
	}
	keys := makeKeys(spreadKeys)
	for _, goroutines := range []int{1, 16} {
		g.add("batch", keys, goroutines, 1, batches...)
	}
	var sizes []limiter
	for _, n := range live {
		sizes = append(sizes, alone(sluiceOnRedis(count(n)+" keys in Redis", "live", tokenBucket), n))
	}
	g.add("live", "", 256, 8, sizes...)
	return g
}

// count returns a number with commas, such as 10,000.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
