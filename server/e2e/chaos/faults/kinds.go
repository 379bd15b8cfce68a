//go:build unix

package faults

import (
	"fmt"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// kind is one way in which things break.
type kind struct {
	name        string
	least, most time.Duration // how long it stays so
	of          map[world.Topology]bool
	// do breaks something, waits, and mends it; it notes what the checker must know. The error means that it could not
	// be done, or not be mended.
	do func(r *Runner, f Fault, note *record.Fault) error
}

var (
	replicated = map[world.Topology]bool{world.Sentinel: true, world.Cluster: true}
	clustered  = map[world.Topology]bool{world.Cluster: true}
	brief      = time.Millisecond
)

const handOver = "hand over"

// Tracks are what goes on at the same time: something of Redis is broken, and something of the servers or their network.
// Within a track one thing is broken after the other. To add a kind, add a row: what it does to whom, and what of it the
// checker must know, which is who was hurt and whether Redis may have forgotten something.
var Tracks = []Track{
	{"redis", false, []kind{
		{"kill a Redis", 200 * brief, 3000 * brief, nil, killRedis},
		{"freeze a Redis", 300 * brief, 3500 * brief, nil, freezeRedis},
		{handOver, 100 * brief, 500 * brief, replicated, failover},
		{"move slots", 500 * brief, 2000 * brief, clustered, moveSlots},
		{"SCRIPT FLUSH", 10 * brief, 100 * brief, nil, command(false, "SCRIPT", "FLUSH")},
		{"FLUSHALL", 10 * brief, 100 * brief, nil, command(true, "FLUSHALL")},
		{"CLIENT KILL", 10 * brief, 100 * brief, nil, command(false, "CLIENT", "KILL", "TYPE", "normal")},
		{"CLIENT PAUSE", 300 * brief, 2000 * brief, nil, pauseClients},
		{"busy with a script", 300 * brief, 1500 * brief, nil, busy},
		{"out of memory", 500 * brief, 2500 * brief, nil, setting("maxmemory", "1", "0")},
		{"too few replicas", 500 * brief, 2500 * brief, nil, setting("min-replicas-to-write", "9", "0")},
		{"cannot save", 500 * brief, 2500 * brief, nil, cannotSave},
	}},
	{"servers", true, append([]kind{
		{"kill a server", 300 * brief, 2000 * brief, nil, killServer},
		{"freeze a server", 300 * brief, 2500 * brief, nil, freezeServer},
		{"part a server", 500 * brief, 2500 * brief, nil, network(false, world.Condition{Up: world.Swallow, Down: world.Swallow})},
		{"part all servers", 500 * brief, 2500 * brief, nil, network(true, world.Condition{Up: world.Hold, Down: world.Hold})},
		{"lose what goes to Redis", 500 * brief, 2500 * brief, nil, network(false, world.Condition{Up: world.Swallow})},
		{"lose what comes from Redis", 500 * brief, 2500 * brief, nil, network(false, world.Condition{Down: world.Swallow})},
		{"hold what comes from Redis", 500 * brief, 2500 * brief, nil, network(true, world.Condition{Down: world.Hold})},
		{"cut and refuse", 500 * brief, 2500 * brief, nil, network(true, world.Condition{Refuse: true})},
		{"slow network", 1000 * brief, 3000 * brief, nil, slow},
		{"half-open connections", 500 * brief, 2500 * brief, nil, halfOpen},
		{"cut connections", 10 * brief, 100 * brief, nil, cut},
	}, rotations...)},
}

func killServer(r *Runner, f Fault, note *record.Fault) error {
	s := r.world.Servers[f.Server]
	note.Servers, note.Anew = []int{f.Server}, []int{f.Server}
	s.Kill()
	r.sleep(f.For)
	return s.Start()
}

func freezeServer(r *Runner, f Fault, note *record.Fault) error {
	s := r.world.Servers[f.Server]
	note.Servers = []int{f.Server}
	if err := s.Freeze(); err != nil {
		return err
	}
	r.sleep(f.For)
	return s.Thaw()
}

// master returns the master of the shard that a fault hits, and notes its name.
func (r *Runner) master(f Fault, note *record.Fault) (*world.Node, error) {
	m := r.world.Masters()[f.Shard]
	if m == nil {
		return nil, fmt.Errorf("shard %d has no master", f.Shard)
	}
	note.Target = m.Name
	return m, nil
}

// forgets notes that the shard may forget what it knows from now on. Until when, is when all is well again: nobody can
// say when a master that was thought dead has decided for the last time.
func (r *Runner) forgets(f Fault, note *record.Fault) {
	note.Forgets, note.ForgetFrom, note.Shard = true, time.Now().UnixNano(), f.Shard
}

func killRedis(r *Runner, f Fault, note *record.Fault) error {
	m, err := r.master(f, note)
	if err != nil {
		return err
	}
	r.forgets(f, note)
	m.Kill()
	note.ForgetTo = time.Now().UnixNano() // of a single one: from now on there is nothing that could decide
	r.sleep(f.For)
	if r.world.Topology != world.Single {
		note.ForgetTo = 0
	}
	return m.Restart()
}

// freezeRedis may be long enough for another to take over, which then knows less; and the one that wakes may decide some
// more before it learns of it.
func freezeRedis(r *Runner, f Fault, note *record.Fault) error {
	m, err := r.master(f, note)
	if err != nil {
		return err
	}
	if r.world.Topology != world.Single && f.For > 500*time.Millisecond {
		r.forgets(f, note)
	}
	if err := m.Freeze(); err != nil {
		return err
	}
	r.sleep(f.For)
	return m.Thaw()
}

// failover is in good order on a Cluster, where the old master stops until the new one knows all; Sentinel does not wait.
func failover(r *Runner, f Fault, note *record.Fault) error {
	if r.world.Topology == world.Sentinel {
		r.forgets(f, note)
	}
	return r.world.Failover(f.Shard)
}

// network has the ways of one server, or of all, in a condition.
func network(all bool, c world.Condition) func(*Runner, Fault, *record.Fault) error {
	return func(r *Runner, f Fault, note *record.Fault) error {
		r.each(f, all, note, func(p *world.Proxy) { p.Set(c) })
		r.sleep(f.For)
		r.each(f, all, note, (*world.Proxy).Heal)
		return nil
	}
}

func slow(r *Runner, f Fault, note *record.Fault) error {
	return network(f.Shard == 0, world.Condition{Delay: f.Delay})(r, f, note)
}

func halfOpen(r *Runner, f Fault, note *record.Fault) error {
	r.each(f, false, note, (*world.Proxy).HalfOpen)
	r.sleep(f.For)
	r.each(f, false, note, (*world.Proxy).Heal)
	return nil
}

func cut(r *Runner, f Fault, note *record.Fault) error {
	r.each(f, true, note, (*world.Proxy).Cut)
	return nil
}

// each does something to each way of the server that a fault hits, or of all.
func (r *Runner) each(f Fault, all bool, note *record.Fault, do func(*world.Proxy)) {
	note.Target = "all servers"
	if !all {
		note.Target = fmt.Sprintf("server %d", f.Server)
	}
	for i, s := range r.world.Servers {
		if all || i == f.Server {
			s.Each(do)
		}
	}
}

// command has the master of a shard told something that is done at once.
func command(forgets bool, args ...any) func(*Runner, Fault, *record.Fault) error {
	return func(r *Runner, f Fault, note *record.Fault) error {
		m, err := r.master(f, note)
		if err != nil {
			return err
		}
		if forgets {
			r.forgets(f, note)
		}
		_, err = m.Do(args...)
		note.ForgetTo = time.Now().UnixNano()
		return err
	}
}

func pauseClients(r *Runner, f Fault, note *record.Fault) error {
	m, err := r.master(f, note)
	if err != nil {
		return err
	}
	if r.world.Topology == world.Sentinel && f.For > 500*time.Millisecond { // the Sentinels' questions wait, too
		r.forgets(f, note)
	}
	if _, err := m.Do("CLIENT", "PAUSE", f.For.Milliseconds(), "ALL"); err != nil {
		return err
	}
	r.sleep(f.For)
	return nil
}

// setting has the master of a shard have another setting for a while.
func setting(name, broken, normal string) func(*Runner, Fault, *record.Fault) error {
	return func(r *Runner, f Fault, note *record.Fault) error {
		m, err := r.master(f, note)
		if err != nil {
			return err
		}
		if _, err := m.Do("CONFIG", "SET", name, broken); err != nil {
			return err
		}
		r.sleep(f.For)
		_, err = m.Do("CONFIG", "SET", name, normal)
		return err
	}
}

// busy has the master of a shard run a script that does not end until it is killed.
func busy(r *Runner, f Fault, note *record.Fault) error {
	m, err := r.master(f, note)
	if err != nil {
		return err
	}
	if r.world.Topology != world.Single && f.For > 500*time.Millisecond { // nobody else is answered, either
		r.forgets(f, note)
	}
	ended := m.Busy()
	r.sleep(f.For)
	for {
		_, _ = m.Do("SCRIPT", "KILL") // a Sentinel may have been first, or the script is still on its way to the node
		select {
		case err := <-ended:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// cannotSave has the master of a shard refuse to write, because its last copy on disk failed.
func cannotSave(r *Runner, f Fault, note *record.Fault) error {
	m, err := r.master(f, note)
	if err != nil {
		return err
	}
	if err := m.BreakSaving(); err != nil {
		return err
	}
	r.sleep(f.For)
	return m.MendSaving()
}

// moveSlots has another master take over some slots that are in use, and give them back. The time that each way takes is
// half of the fault's: during it a slot has keys at both.
func moveSlots(r *Runner, f Fault, note *record.Fault) error {
	m, err := r.master(f, note)
	if err != nil {
		return err
	}
	to := r.world.Masters()[(f.Shard+1)%r.world.Shards()]
	if to == nil {
		return fmt.Errorf("there is no master to move slots to")
	}
	slots, err := m.SlotsInUse(8)
	for begun := time.Now(); err == nil && len(slots) == 0; slots, err = m.SlotsInUse(8) { // all servers may be parted from it
		if time.Since(begun) > given {
			return fmt.Errorf("%s has no slot in use", m.Name)
		}
		r.sleep(50 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	note.Note = fmt.Sprintf("%d slots to %s", len(slots), to.Name)
	if err := r.world.MoveSlots(slots, m, to, func() { r.sleep(f.For / 2) }); err != nil {
		return err
	}
	return r.world.MoveSlots(slots, to, m, func() { r.sleep(f.For / 2) })
}
