package main

import (
	"testing"
	"time"
)

func TestInstant(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("", 3600))
	for _, test := range []struct {
		from time.Duration
		want string
	}{
		{0, "2027-01-02T02:04:05Z (now)"},
		{400 * time.Millisecond, "2027-01-02T02:04:06Z (now)"},
		{900 * time.Millisecond, "2027-01-02T02:04:06Z (in 1s)"},
		{-time.Second, "2027-01-02T02:04:04Z (1s ago)"},
		{119 * time.Second, "2027-01-02T02:06:04Z (in 119s)"},
		{2 * time.Minute, "2027-01-02T02:06:05Z (in 2m)"},
		{15*time.Minute - time.Second, "2027-01-02T02:19:04Z (in 15m)"},
		{14*time.Minute + 29*time.Second, "2027-01-02T02:18:34Z (in 14m)"},
		{-2 * time.Hour, "2027-01-02T00:04:05Z (2h ago)"},
		{47 * time.Hour, "2027-01-04T01:04:05Z (in 47h)"},
		{48 * time.Hour, "2027-01-04T02:04:05Z (in 2d)"},
	} {
		if got := instantAt(now.Add(test.from), now); got != test.want {
			t.Errorf("%s from now is %q, want %q", test.from, got, test.want)
		}
	}
}
