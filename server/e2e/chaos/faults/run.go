//go:build unix

package faults

import (
	"fmt"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// Runner breaks a world by a schedule, one thing at a time, and sees that Redis is well again after each.
type Runner struct {
	world *world.World
	tell  func(record.Fault)
	notes []record.Fault
}

// NewRunner returns a runner that tells each fault when it is over.
func NewRunner(w *world.World, tell func(record.Fault)) *Runner { return &Runner{world: w, tell: tell} }

// Run carries out a schedule, and returns what was broken when. The error is that something cannot be mended any more, or
// that a server has ended by itself; nothing can be said of a run with one.
func (r *Runner) Run(schedule []Fault) ([]record.Fault, error) {
	begin := time.Now()
	for _, f := range schedule {
		r.sleep(time.Until(begin.Add(f.At)))
		for i, s := range r.world.Servers {
			if s.Died() {
				return r.notes, fmt.Errorf("server %d: %w before %q", i, errDied, f.Kind)
			}
		}
		if err := r.one(f); err != nil {
			return r.notes, fmt.Errorf("%s, at %s: %w", f.Kind, time.Since(begin).Round(time.Millisecond), err)
		}
	}
	return r.notes, nil
}

func (r *Runner) one(f Fault) error {
	note := record.Fault{Kind: f.Kind, From: time.Now().UnixNano(), Shard: -1}
	if len(kindOf(f.Kind).name) == 0 {
		return fmt.Errorf("there is no such kind")
	}
	err := kindOf(f.Kind).do(r, f, &note)
	if len(note.Servers) > 0 {
		note.Target = fmt.Sprintf("server %d", note.Servers[0])
	}
	if err != nil {
		note.Note = err.Error()
	} else {
		err = r.world.WaitHealthy()
	}
	note.To = time.Now().UnixNano()
	if note.Forgets && note.ForgetTo == 0 {
		note.ForgetTo = note.To
	}
	r.notes = append(r.notes, note)
	r.tell(note)
	return err
}

func kindOf(name string) kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	return kind{}
}

// sleep lets what is broken be broken for a while: this is about real time.
func (r *Runner) sleep(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}
