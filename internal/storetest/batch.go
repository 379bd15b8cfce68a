package storetest

import (
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// testBatches shows promise 9 on batches that are longer than those of the sequences: several keys and policies in one
// call, each key often, its checks answered in their order, refusals among them.
func (s *suite) testBatches(t rapid.TB) {
	for range max(1, s.rounds/50) {
		rapid.Check(t, func(t *rapid.T) {
			ctx, cancel := call()
			defer cancel()
			var players []*player
			for range 3 {
				script := rapid.Custom(drawTwoVersions).Draw(t, "scene")
				players = append(players, newPlayer(ctx, t, s.harness, newScene(script, s.policyName())))
			}
			asks := rapid.SliceOfN(rapid.Custom(rapidStep), 40, 120).Draw(t, "asks")
			s.playTogether(t, players, asks)
			for _, p := range players {
				p.finish()
			}
		})
	}
}

// drawTwoVersions returns a scene whose limits can change.
func drawTwoVersions(t *rapid.T) sequence {
	d := rapidDice{t}
	v := drawVersion(d)
	return sequence{versions: []version{v, drawChangedVersion(d, v)}, keys: drawKeys(d), start: drawDate(d)}
}

// playTogether sends what several players ask in one call. Within it clocks only go forward by small steps: nothing
// expires between two requests of one call.
func (s *suite) playTogether(t *rapid.T, players []*player, asks []step) {
	var reqs []sluice.Request
	var whose []*player
	for i, st := range asks {
		p := players[i%len(players)]
		if st.kind == stepChange {
			p.version = st.version % len(p.policies)
		}
		if st.move.kind == moveTick {
			p.now++
		}
		reqs, whose = append(reqs, p.request(st.asks[0])), append(whose, p)
	}
	wall := time.Now()
	results := s.harness.Store().CheckAll(players[0].ctx, reqs)
	if len(results) != len(reqs) {
		t.Fatalf("CheckAll of %d requests has %d results", len(reqs), len(results))
	}
	for i, r := range results {
		whose[i].judge(reqs[i], wall, r)
	}
}
