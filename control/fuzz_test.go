package control

import (
	"bytes"
	"testing"

	"github.com/sluice-project/sluice/store/ledger"
)

// FuzzView reads any entry of a ledger. What can be read is compiled into a snapshot; what cannot is an error and leaves
// the rest as it was.
func FuzzView(f *testing.F) {
	f.Add(policyKind, "api", []byte(`{"document":{"limits":{"second":"10/s burst 20"}},"reset_at":1795451411722085}`))
	f.Add(scheduleKind, "nightly", []byte(`{"cron":"0 0 * * *","reset":{"policy":"api"}}`))
	f.Add(tickKind, "nightly", []byte("1795451411722085"))
	f.Add(outboxKind, "block/api/00", []byte(`{"policy":"api","key":"YQ==","until":1,"reason":"r"}`))
	f.Add(baseKind, baseName, []byte(`{}`))
	f.Add("other", "\x00", []byte("\xff"))
	f.Add(policyKind, "", []byte(`{"document":null,"reset_at":-1}`))
	sound := ledger.Entry{Kind: policyKind, Name: "sound", Revision: 1, Value: []byte(`{"document":{"limits":["1/s"]}}`)}
	f.Fuzz(func(t *testing.T, kind, name string, value []byte) {
		if kind == sound.Kind && name == sound.Name {
			return
		}
		contents := ledger.Contents{Version: 2, Now: 1, Entries: []ledger.Entry{{Kind: kind, Name: name, Revision: 2, Value: value}, sound}}
		v, err := newView(contents, emptyView())
		if _, ok := v.policies["sound"]; !ok {
			t.Fatalf("beside %q %q %q another policy is lost", kind, name, value)
		}
		if err != nil {
			return
		}
		if _, err := v.compile(1); err != nil {
			t.Errorf("%q %q %q is read, and cannot be compiled: %v", kind, name, value, err)
		}
		if held, ok := v.policies[name]; ok && kind == policyKind {
			again, err := readPolicy(policyEntry(&held.Policy))
			if err != nil || !bytes.Equal(again.Document(), held.Document()) || again.ResetAt != held.ResetAt {
				t.Errorf("the policy %q of %q is written again as %s (%v)", name, value, policyEntry(&held.Policy).Value, err)
			}
		}
	})
}
