package redisstore

import (
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
)

// kindsOf are all keys that a store and a ledger spell, with their kinds.
func kindsOf(k keys, policy, key string) map[string]Kind {
	spelled := k.spell(key)
	all := map[string]Kind{
		k.state(&sluice.Policy{Name: policy}, spelled):                                 State,
		k.state(&sluice.Policy{Name: policy, ResetAt: 1_795_451_411_722_085}, spelled): State,
		k.state(&sluice.Policy{Name: "~" + policy}, spelled):                           State,
		k.standing(policy, spelled):                                                    Standing,
		k.servers():                                                                    Servers,
		k.entries():                                                                    Entries,
		k.log("audit"):                                                                 Log,
		k.log("history/nightly"):                                                       Log,
		ScratchTag(k.prefix, func(int) bool { return true }) + "x":                     Scratch,
		ScratchTag(k.prefix, func(slot int) bool { return slot == 16383 }) + "x": Scratch,
	}
	for _, name := range append(k.index(policy, false), k.index(policy, true)...) {
		all[name] = Index
	}
	return all
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"sluice:", "p", "a*b:"} {
		for _, key := range []string{"alice", "a|b", "\x00\xff\n", "a{b}", strings.Repeat("é", 100), strings.Repeat("k", 300)} {
			for name, want := range kindsOf(keys{prefix: prefix}, "api", key) {
				if got := KindOf(prefix, name); got != want {
					t.Errorf("KindOf(%q, %q) = %d, want %d", prefix, name, got, want)
				}
			}
		}
	}
	for _, name := range []string{
		"", "sluice:", "sluice:queue", "other:{api|alice}", "sluice:{api}", "sluice:{api|}", "sluice:{API|alice}", "sluice:{api|alice}?",
		"sluice:{api|alice}!!", "sluice:{api|alice", "sluice:{api|a{b}", "sluice:{~fleet}", "sluice:{~fleet}changed",
		"sluice:{~blocks|api}kees", "sluice:{~doctors}x", "sluice:{api|alice}@", "sluice:{api|alice}@A",
	} {
		if got := KindOf("sluice:", name); got != Foreign {
			t.Errorf("KindOf(%q) = %d, want that it is foreign", name, got)
		}
	}
}

func TestScratchTagIsInTheSlot(t *testing.T) {
	t.Parallel()
	for _, want := range []int{0, 5460, 16383} {
		tag := ScratchTag("sluice:", func(slot int) bool { return slot == want })
		inside := tag[strings.Index(tag, "{")+1 : len(tag)-1]
		if got := int(crc16(0, inside) % slots); got != want || strings.Count(tag, "{")+strings.Count(tag, "}") != 2 {
			t.Errorf("ScratchTag for the slot %d is %q, in the slot %d", want, tag, got)
		}
	}
}

// TestMeantToStay reads standings as the scripts write them.
func TestMeantToStay(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	option, err := ClientOption(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	store, err := New(client, Config{Prefix: t.Name() + ":"})
	if err != nil {
		t.Fatal(err)
	}
	good := &sluice.Exception{Limits: []sluice.Limit{sluice.PerSecond(100).WithBurst(200)}}
	while := &sluice.Exception{Limits: good.Limits, For: 1e12}
	for _, test := range []struct {
		name  string
		does  sluice.Amendment
		stays bool
	}{
		{"a block", sluice.Amendment{Bar: &sluice.Bar{For: 1e12, Reason: "abuse"}}, false},
		{"an override for a time", sluice.Amendment{Except: while}, false},
		{"both for a time", sluice.Amendment{Bar: &sluice.Bar{For: 1e12, Reason: "abuse"}, Except: while}, false},
		{"an override for good", sluice.Amendment{Except: good}, true},
		{"one beside a block", sluice.Amendment{Bar: &sluice.Bar{For: 1e12, Reason: "abuse"}, Except: good}, true},
	} {
		test.does.Policy, test.does.Key = "api", test.name
		if _, err := store.Amend(t.Context(), test.does); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		value := server.Do(t, "GET", store.keys.standing("api", test.name)).(string)
		if got := MeantToStay(value); got != test.stays {
			t.Errorf("%s: MeantToStay(%x) = %v, want %v", test.name, value, got, test.stays)
		}
	}
	// A penalty's refusals and past blocks stand before an override.
	refusals := "\xf1\x01\x06\x60\xf4\x1b\x9b\x6f\x65" + "\xf2\x00\x00\x00\xea\x60\x00\x00\x00\x64\x00\x00\x00\x00\x01\x01" + strings.Repeat("\x01", 12)
	if !MeantToStay(refusals + "\xf3" + strings.Repeat("\x00", 20)) {
		t.Error("MeantToStay of an override for good behind refusals is false")
	}
}

func FuzzKindOf(f *testing.F) {
	for name := range kindsOf(keys{prefix: "sluice:"}, "api", "alice") {
		f.Add("sluice:", name)
	}
	f.Fuzz(func(t *testing.T, prefix, key string) {
		kind := KindOf(prefix, key)
		if kind != Foreign && !strings.HasPrefix(key, prefix) {
			t.Errorf("KindOf(%q, %q) = %d, of a key without the prefix", prefix, key, kind)
		}
		_ = kind.Type()
	})
}

// FuzzMeantToStay puts an override for good behind everything that a standing may have before it.
func FuzzMeantToStay(f *testing.F) {
	f.Add("abuse", uint8(3), true, true)
	f.Fuzz(func(t *testing.T, rest string, refusals uint8, blocked, counted bool) {
		_ = MeantToStay(rest) // any bytes
		value := ""
		reason := rest[:min(len(rest), 200)]
		if blocked {
			value += "\xf0" + strings.Repeat("\x01", 8) + string([]byte{byte(len(reason))}) + reason
		}
		if counted {
			value += "\xf2" + strings.Repeat("\x01", 14) + string([]byte{refusals}) + strings.Repeat("\xf3", 12*int(refusals))
		}
		if MeantToStay(value) {
			t.Errorf("MeantToStay(%x) is true without an override", value)
		}
		if !MeantToStay(value + "\xf3" + strings.Repeat("\x00", 7)) {
			t.Errorf("MeantToStay(%x and an override for good) is false", value)
		}
		if MeantToStay(value + "\xf3" + strings.Repeat("\x00", 6) + "\x01") {
			t.Errorf("MeantToStay(%x and an override for a time) is true", value)
		}
	})
}
