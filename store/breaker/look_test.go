package breaker_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestLook has somebody say that a store is back, between two looks and while one is under way that will not be answered.
func TestLook(t *testing.T) {
	t.Parallel()
	for name, begun := range map[string]time.Duration{"between two looks": timeout + time.Millisecond, "while one is under way": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, 1, func(t *testing.T, s *scene) {
				s.freeze(0)
				s.every("0", 50*time.Millisecond, 3)
				s.requireOpen(1)
				time.Sleep(5 * time.Second) // until looks are as far apart as they get
				looked := &s.store.parts[0].looked
				for last := looked.Load(); looked.Load() == last; {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(begun)
				s.thaw(0)
				s.Look()
				most := 30 * time.Millisecond
				if begun < timeout { // it takes its time to end
					most += timeout
				}
				time.Sleep(most)
				s.requireOpen(0)
			})
		})
	}
}

// TestLookAtOneThatIsAway looks at a store that is not back, which is asked no more often for that afterwards.
func TestLookAtOneThatIsAway(t *testing.T) {
	t.Parallel()
	play(t, 2, func(t *testing.T, s *scene) {
		s.Look() // at nothing
		s.freeze(0)
		s.every("0", 50*time.Millisecond, 3)
		s.requireOpen(1)
		time.Sleep(5 * time.Second)
		looked := &s.store.parts[0].looked
		before := looked.Load()
		for range 3 {
			s.Look()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		if n := looked.Load() - before; n < 4 || n > 7 {
			t.Errorf("it was looked at %d times in 2 s, and three times before somebody said that it is back; want a few", n)
		}
		s.requireOpen(1)
		if n := s.store.parts[1].looked.Load(); n != 0 {
			t.Errorf("a part that answers was looked at %d times", n)
		}
	})
}
