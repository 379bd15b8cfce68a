package memstore

import (
	"errors"
	"testing"

	"github.com/sluice-project/sluice"
)

// FuzzReadCursor reads any text as the cursor of a list. What is read is in the store, and writes itself as another text
// that is read alike; the rest is a fault of the caller's.
func FuzzReadCursor(f *testing.F) {
	f.Add("")
	f.Add(cursor{shard: 3, key: "alice"}.String())
	f.Add("gICAgICAgICAgAE")
	f.Add("_")
	store, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := store.readCursor(text)
		if err != nil {
			if invalid := (*sluice.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Field != "cursor" {
				t.Errorf("readCursor(%q): %v, want a fault of the cursor", text, err)
			}
			return
		}
		if c.shard < 0 || c.shard >= len(store.shards) {
			t.Fatalf("readCursor(%q) is shard %d of %d", text, c.shard, len(store.shards))
		}
		if again, err := store.readCursor(c.String()); err != nil || again != c {
			t.Errorf("readCursor(%q) is %+v, and written again %+v (%v)", text, c, again, err)
		}
		if _, err := store.List(t.Context(), sluice.List{Policy: "api", Cursor: text, Most: 1}); err != nil {
			t.Errorf("List from %q: %v", text, err)
		}
	})
}
