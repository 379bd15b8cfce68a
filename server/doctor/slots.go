package doctor

import (
	"context"
	"net"
	"strconv"

	"github.com/redis/rueidis"
)

// slotRange is slots of a Cluster that follow each other, and the address of their master.
type slotRange struct {
	first, last int
	master      string
}

// slotRanges asks which master has which slots, by the command that every version knows, or by the other where the user
// may use that one alone. The error says why neither tells.
func (n *node) slotRanges(ctx context.Context, byTLS bool) ([]slotRange, error) {
	all, err := n.do(ctx, "CLUSTER", "SLOTS").ToArray()
	if err == nil {
		return rangesOfSlots(all, n.name), nil
	}
	if all, other := n.do(ctx, "CLUSTER", "SHARDS").ToArray(); other == nil {
		return rangesOfShards(all, n.name, byTLS), nil
	}
	return nil, err
}

// rangesOfSlots reads the answer to CLUSTER SLOTS: of each range its first slot, its last, and its nodes, first the master.
func rangesOfSlots(all []rueidis.RedisMessage, answered string) (ranges []slotRange) {
	for _, one := range all {
		parts, err := one.ToArray()
		if err != nil || len(parts) < 3 {
			continue
		}
		first, err1 := parts[0].AsInt64()
		last, err2 := parts[1].AsInt64()
		master, err3 := parts[2].ToArray()
		if err1 != nil || err2 != nil || err3 != nil || len(master) < 2 {
			continue
		}
		if address := addressOf(master[0], master[1], answered); address != "" {
			ranges = append(ranges, slotRange{int(first), int(last), address})
		}
	}
	return ranges
}

// rangesOfShards reads the answer to CLUSTER SHARDS: of each shard the ends of its ranges in one list, and its nodes with
// their names and roles.
func rangesOfShards(all []rueidis.RedisMessage, answered string, byTLS bool) (ranges []slotRange) {
	for _, one := range all {
		shard, err := one.AsMap()
		if err != nil {
			continue
		}
		ends, nodes := shard["slots"], shard["nodes"]
		slots, err1 := ends.AsIntSlice()
		members, err2 := nodes.ToArray()
		if err1 != nil || err2 != nil {
			continue
		}
		master := ""
		for _, member := range members {
			if address, leads := shardNode(member, answered, byTLS); leads {
				master = address
			}
		}
		for ; master != "" && len(slots) > 1; slots = slots[2:] {
			ranges = append(ranges, slotRange{int(slots[0]), int(slots[1]), master})
		}
	}
	return ranges
}

// shardNode returns the address of a node in the answer to CLUSTER SHARDS, and whether it is a master.
func shardNode(member rueidis.RedisMessage, answered string, byTLS bool) (address string, leads bool) {
	fields, err := member.AsMap()
	if err != nil {
		return "", false
	}
	role := fields["role"]
	is, _ := role.ToString()
	port, known := fields["port"]
	if secure, ok := fields["tls-port"]; ok && (byTLS || !known) {
		port = secure
	}
	return addressOf(fields["endpoint"], port, answered), is == "master"
}

// addressOf joins what a Cluster says of a node. One without a host is on that of the node that answered
// (cluster-preferred-endpoint-type unknown-endpoint).
func addressOf(host, port rueidis.RedisMessage, answered string) string {
	name, err := host.ToString()
	if name == "" && (err == nil || rueidis.IsRedisNil(err)) {
		name, _, err = net.SplitHostPort(answered)
	}
	number, wrong := port.AsInt64()
	if err != nil || wrong != nil {
		return ""
	}
	return net.JoinHostPort(name, strconv.FormatInt(number, 10))
}
