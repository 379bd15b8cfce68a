package doctor

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// How far a replica may be behind: bytes of the stream of writes, and seconds since it was heard of.
const (
	behindBytes   = 1 << 20
	behindSeconds = 5
)

func replicas(_ context.Context, p *patient, n *node) Finding {
	switch role := n.info["role"]; {
	case role == "":
		return n.noInfo("role")
	case role != "master" && n.info["master_link_status"] == "":
		return n.noInfo("master_link_status")
	case role != "master":
		f := well("its link to its master is %s", n.info["master_link_status"])
		if n.info["master_link_status"] != "up" {
			return f.as(Failure, "see its log, and that of its master")
		}
		return f
	}
	count, told := n.number("connected_slaves")
	if !told {
		return n.noInfo("connected_slaves")
	}
	if count == 0 {
		f := well("no replica: when it fails, on_error decides until it is back")
		if p.behindSentinel() {
			f.Found = "no replica: Sentinel has nothing to fail over to"
			return f.as(Failure, "bring the replicas back, or start one: REPLICAOF")
		}
		return f.as(Note, "have a replica behind Sentinel, or a Cluster, where that is not enough")
	}
	head, _ := n.number("master_repl_offset")
	worstBehind, worstLag := int64(0), int64(0)
	for i := range count {
		r := parseReplica(n.info["slave"+strconv.FormatInt(i, 10)])
		if r["state"] != "online" {
			return well("its replica %s:%s is not online: %s", r["ip"], r["port"], r["state"]).as(Warning, "wait until it is in step, or see its log")
		}
		if offset, err := strconv.ParseInt(r["offset"], 10, 64); err == nil {
			worstBehind = max(worstBehind, head-offset)
		}
		if lag, err := strconv.ParseInt(r["lag"], 10, 64); err == nil {
			worstLag = max(worstLag, lag)
		}
	}
	f := well("replicas: %d, the farthest %s and %d s behind", count, size(worstBehind), worstLag)
	if worstBehind >= behindBytes || worstLag >= behindSeconds {
		return f.as(Warning, "see the network to the replicas and their load: a failover forgets what has not reached them")
	}
	return f
}

// parseReplica reads ip=...,port=...,state=online,offset=...,lag=....
func parseReplica(text string) map[string]string {
	fields := map[string]string{}
	for field := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(field, "="); ok {
			fields[name] = value
		}
	}
	return fields
}

func minReplicas(ctx context.Context, _ *patient, n *node) Finding {
	text, err := n.setting(ctx, "min-replicas-to-write", "min-slaves-to-write")
	if err != nil {
		return notTold(err, "CONFIG GET")
	}
	wanted, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return well("not told: min-replicas-to-write reads %q", text).as(Note, "")
	}
	count, counted := n.number("connected_slaves")
	good, told := n.number("min_slaves_good_slaves")
	if !told {
		good = count
	}
	switch {
	case wanted > 0 && !told && !counted:
		return n.noInfo("connected_slaves")
	case wanted > 0 && good < wanted:
		return well("min-replicas-to-write is %d, and %d replicas are in step: every charge is refused (NOREPLICAS)", wanted, good).
			as(Failure, "bring the replicas back, or lower min-replicas-to-write")
	case wanted > 0:
		return well("min-replicas-to-write is %d, and %d replicas are in step", wanted, good)
	case count > 0:
		return well("min-replicas-to-write is 0: a master that is cut off goes on taking writes, which the failover forgets").
			as(Note, "set min-replicas-to-write 1 where that must not be; it trades it for refused writes while there is no replica")
	}
	return well("min-replicas-to-write is 0, as is right without replicas")
}

// sentinel asks every Sentinel of the URL about the master.
func sentinel(ctx context.Context, p *patient) Finding {
	set := p.option.Sentinel.MasterSet
	var silent, said []string
	masters := map[string]bool{}
	var found *Finding
	for _, address := range p.option.InitAddress {
		option := p.option
		option.InitAddress, option.SelectDB = []string{address}, 0
		option.Username, option.Password, option.TLSConfig = p.option.Sentinel.Username, p.option.Sentinel.Password, p.option.Sentinel.TLSConfig
		option.Sentinel = rueidis.SentinelOption{}
		option.ForceSingleClient = true
		client, err := connect(ctx, option)
		if err != nil {
			silent = append(silent, address)
			continue
		}
		if found == nil {
			f := watched(ctx, client, set)
			found = &f
		}
		if master, told := named(ctx, client, set); told {
			said = append(said, address+" says "+master)
			masters[master] = true
		}
		client.Close()
	}
	if found == nil {
		return well("none of the Sentinels answers any more").as(Failure, "see that they run: "+strings.Join(silent, ", "))
	}
	f := *found
	if len(masters) > 1 {
		f.Found += "; they do not name the same master: " + strings.Join(said, ", ")
		if f.Result <= Warning {
			f = f.as(Warning, "look again, as a failover may be under way; if it stays so, have all watch the same by SENTINEL REMOVE and SENTINEL MONITOR, or take those that are wrong out of the URL")
		}
	}
	if len(silent) > 0 {
		f.Found += "; no answer from " + strings.Join(silent, ", ")
		if f.Result < Warning {
			return f.as(Warning, "bring these Sentinels back, or take them out of the URL")
		}
	}
	return f
}

// named returns the master that a Sentinel names, and whether it tells.
func named(ctx context.Context, client rueidis.Client, set string) (master string, told bool) {
	parts, err := do(ctx, client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", set).AsStrSlice()
	switch {
	case rueidis.IsRedisNil(err):
		return "it knows none", true
	case err != nil || len(parts) != 2:
		return "", false
	}
	return net.JoinHostPort(parts[0], parts[1]), true
}

// watched says how a master is watched, by one of its Sentinels.
func watched(ctx context.Context, client rueidis.Client, set string) Finding {
	master, err := do(ctx, client, "SENTINEL", "MASTER", set).AsStrMap()
	if err != nil {
		return notTold(err, "SENTINEL MASTER")
	}
	others, _ := strconv.Atoi(master["num-other-sentinels"])
	f := well("%d Sentinels, of which %s must agree; replicas: %s", others+1, master["quorum"], master["num-slaves"])
	if strings.Contains(master["flags"], "down") {
		f.Found += "; they take the master for down (" + master["flags"] + ")"
		return f.as(Failure, "see whether it answers them; a failover may be under way")
	}
	if err := do(ctx, client, "SENTINEL", "CKQUORUM", set).Error(); err != nil {
		if refusal, ok := rueidis.IsRedisErr(err); ok && strings.HasPrefix(refusal.Error(), "NOQUORUM") {
			f.Found += fmt.Sprintf("; they could not fail over (%v)", refusal)
			return f.as(Failure, "bring Sentinels back until more than half of them answer, and as many as the quorum")
		}
	}
	if others+1 < 3 {
		f.Found += ": too few to fail over when one of them is gone, too"
		return f.as(Warning, "have three Sentinels at least, on machines of their own")
	}
	return f
}
