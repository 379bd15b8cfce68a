//go:build unix

package faults

import (
	"fmt"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// rotations are what happens to a server that nobody should notice: what it proves itself by, and whom it lets in, is
// replaced while it serves, and its clock is wrong. Each is of the one server that can have it, whatever server was drawn.
var rotations = []kind{
	{name: "rotate the certificate", least: looked, most: looked + 500*brief, do: rotateCertificate},
	{name: "rotate the tokens", least: 2*looked + 2100*brief, most: 2*looked + 2600*brief, do: rotateTokens},
	{name: "move a clock", least: 1000 * brief, most: 3500 * brief, do: moveClock},
}

const (
	// looked is how long it is looked at least whether what was written counts: longer than the docs say that it takes, so
	// that there is an answer that the checker can judge.
	looked = 1300 * time.Millisecond
	// given is when nobody waits any more for what was written to count. The checker has seen enough then.
	given = 10 * time.Second
)

// look asks again and again until all doors answer as they should, and once more when they must have for some time.
func (r *Runner) look(so func() bool) bool {
	begun := time.Now()
	for seen := false; time.Since(begun) < given; r.sleep(50 * time.Millisecond) {
		switch {
		case !so():
		case seen:
			return true
		default:
			seen = true
			r.sleep(looked - time.Since(begun))
		}
	}
	return false
}

func rotateCertificate(r *Runner, _ Fault, note *record.Fault) error {
	s := r.secured(note)
	number, err := s.Secrets().NewCertificate()
	if err != nil {
		return err
	}
	if !r.look(func() bool { return s.ShowsCertificate(number) }) {
		note.Note = fmt.Sprintf("not every door shows certificate %d", number)
	}
	return nil
}

// rotateTokens does what the docs tell who renews a token: a second one is let in, those who ask change to it, and the first
// is taken out when nobody uses it any more. That is what the fault's time is for: a caller changes before it asks next.
func rotateTokens(r *Runner, f Fault, note *record.Fault) error {
	s := r.secured(note)
	old := s.Secrets().Used()
	number, err := s.Secrets().NewToken()
	if err != nil {
		return err
	}
	if !r.look(func() bool { return s.TakesToken(number, true) }) {
		note.Note = fmt.Sprintf("not every door takes token %d", number)
		return nil // nobody can use it
	}
	s.Secrets().Use(number)
	held, err := s.Hold(old)
	if err != nil {
		return err
	}
	defer held.Close()
	r.sleep(f.For - 2*looked)
	if err := s.Secrets().DropOthers(); err != nil {
		return err
	}
	if !r.look(func() bool {
		refused := held.Refused()
		return s.TakesToken(old, false) && refused
	}) {
		note.Note = fmt.Sprintf("not every door refuses token %d", old)
	}
	if !s.TakesToken(number, true) {
		note.Note += fmt.Sprintf(" not every door takes token %d any more", number)
	}
	return nil
}

func (r *Runner) secured(note *record.Fault) *world.Server {
	s := r.world.Secured()
	note.Target = fmt.Sprintf("server %d", s.Number)
	return s
}

// steps are by how far a clock is moved.
var steps = []time.Duration{2 * time.Second, 10 * time.Second, 61 * time.Second, 10 * time.Minute, time.Hour}

// moveClock has the wall clock of a server step, and step back. The error is that it did not.
func moveClock(r *Runner, f Fault, note *record.Fault) error {
	s := r.world.Moved()
	ahead := f.step()
	note.Target, note.Note = fmt.Sprintf("server %d", s.Number), fmt.Sprintf("by %s", ahead)
	note.Anew = []int{s.Number}
	if err := s.MoveClock(ahead); err != nil {
		return err
	}
	r.sleep(f.For)
	return s.MoveClock(0)
}

// step returns how far the clock is moved, and to which side: by what was drawn of the fault for other kinds.
func (f Fault) step() time.Duration {
	drawn := int(f.Delay / (10 * time.Millisecond))
	if step := steps[drawn%len(steps)]; drawn/len(steps)%2 == 0 {
		return step
	} else {
		return -step
	}
}
