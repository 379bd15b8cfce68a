package server

import (
	"testing"

	"github.com/sluice-project/sluice/policy/filesource"
)

// TestOtherStore says which URLs a running server can go on with.
func TestOtherStore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		started, now string
		restart      bool
	}{
		{"memory", "memory", false},
		{"memory", "redis://h:1", true},
		{"redis://h:1", "redis://:p@h:1", false},
		{"redis://u:p@h:1/2", "redis://v:q@h:1/2", false},
		{"redis://u:p@h:1/2", "redis://u:p@h:1/3", true},
		{"redis://u:p@h:1", "redis://u:p@i:1", true},
		{"redis://u:p@h:1", "rediss://u:p@h:1", true},
		{"redis://h:1?addr=i:2&addr=j:3", "redis://u:p@h:1?addr=i:2&addr=j:3", false},
		{"redis://h:1?addr=i:2&addr=j:3", "redis://h:1?addr=i:2", true},
		{"redis://h:1?master_set=m&sentinel_password=p", "redis://h:1?master_set=m&sentinel_username=u&sentinel_password=q", false},
		{"redis://h:1?master_set=m&sentinel_password=p", "redis://h:1?master_set=n&sentinel_password=p", true},
		{"unix://u:p@/run/r.sock?db=1", "unix://u:q@/run/r.sock?db=1", false},
	} {
		if got := len(needRestart(&filesource.File{Store: test.started}, &filesource.File{Store: test.now})) > 0; got != test.restart {
			t.Errorf("from %s to %s needs a restart: %t, want %t", test.started, test.now, got, test.restart)
		}
	}
}
