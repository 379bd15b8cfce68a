package server

import (
	"errors"
	"log/slog"
	"testing"
	"time"
)

// TestFleetBelievesNoFewer has a server find Redis again, or empty, before the others do: what it is told then is that it is
// alone, and it is not.
func TestFleetBelievesNoFewer(t *testing.T) {
	t.Parallel()
	f := newFleet(&redis{logger: slog.New(slog.DiscardHandler)})
	at := time.Now()
	for _, step := range []struct {
		after time.Duration
		said  rank
		err   error
		want  rank
	}{
		{0, rank{2, 4}, nil, rank{2, 4}},
		{time.Second, rank{}, errors.New("frozen"), rank{2, 4}},
		{time.Second, rank{0, 1}, nil, rank{2, 4}}, // the others come a moment later
		{time.Second, rank{2, 4}, nil, rank{2, 4}},
		{time.Second, rank{0, 1}, nil, rank{2, 4}}, // Redis was emptied
		{4 * time.Second, rank{1, 2}, nil, rank{2, 4}},
		{time.Second, rank{3, 5}, nil, rank{3, 5}}, // more are always believed
		{time.Second, rank{0, 2}, nil, rank{3, 5}},
		{time.Second, rank{}, errors.New("frozen"), rank{3, 5}},
		{settleTime, rank{0, 2}, nil, rank{3, 5}},
		{settleTime, rank{0, 2}, nil, rank{0, 2}}, // the others have gone
		{time.Second, rank{2, 4}, nil, rank{2, 4}},
		{time.Second, rank{1, 3}, nil, rank{2, 4}},
		{settleTime - time.Second, rank{1, 3}, nil, rank{2, 4}},
		{time.Second, rank{0, 2}, nil, rank{2, 4}}, // one has gone for that long, and this one just now
		{settleTime - time.Second, rank{1, 3}, nil, rank{2, 4}},
		{time.Second, rank{1, 3}, nil, rank{1, 3}}, // which is back
	} {
		at = at.Add(step.after)
		f.hear(at, step.said, step.err)
		if index, count := f.rank(); (rank{index, count}) != step.want {
			t.Errorf("told %v, %v it is %d of %d, want %v", step.said, step.err, index, count, step.want)
		}
	}
}
