package redisstore

import (
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 201)
	for _, test := range []struct {
		keys        keys
		policy, key string
		want        string
	}{
		{keys{prefix: "sluice:"}, "api", "user:42", "sluice:{api|user:42}"},
		{keys{prefix: "p"}, "api", "a|b", "p{api|a|b}"},
		{keys{prefix: "sluice:"}, "api", "\x00\xff\n", "sluice:{api|\x00\xff\n}"},
		{keys{prefix: "sluice:"}, "api", long[:200], "sluice:{api|" + long[:200] + "}"},
		{keys{prefix: "sluice:"}, "api", long, "sluice:{api|#ebf0ead0a3b837bc388d6a36c93833ff}"},
		{keys{prefix: "sluice:"}, "api", "a}b", "sluice:{api|#"},
		{keys{prefix: "sluice:"}, "api", "{a", "sluice:{api|#"},
		{keys{prefix: "sluice:"}, "api", "#a", "sluice:{api|#302d59c4f9e75750"},
		{keys{prefix: "sluice:", hashed: true}, "api", "a", "sluice:{api|#ca978112ca1bbdcafac231b39a23dc4d}"},
	} {
		got := test.keys.state(&sluice.Policy{Name: test.policy}, test.keys.spell(test.key))
		if !strings.HasPrefix(got, strings.TrimSuffix(test.want, "}")) || !strings.HasSuffix(got, "}") {
			t.Errorf("state(%q, %.20q) = %q, want %q", test.policy, test.key, got, test.want)
		}
		if strings.Count(got, "{") != 1 || strings.Count(got, "}") != 1 {
			t.Errorf("state(%q, %.20q) = %q, want one hash tag", test.policy, test.key, got)
		}
	}
}

// TestKeysOfOneKeyShareATag looks at all that is kept of a key, and at what must be told from it.
func TestKeysOfOneKeyShareATag(t *testing.T) {
	t.Parallel()
	k := keys{prefix: "sluice:"}
	for _, test := range []struct{ got, want string }{
		{k.state(&sluice.Policy{Name: "api"}, "alice"), "sluice:{api|alice}"},
		{k.state(&sluice.Policy{Name: "api", ResetAt: 1_795_451_411_722_085}, "alice"), "sluice:{api|alice}@hofmzpcvhh"},
		{k.standing("api", "alice"), "sluice:{api|alice}!"},
		{k.index("api", false)[0], "sluice:{~blocks|api}keys"},
		{k.index("api", false)[1], "sluice:{~blocks|api}ends"},
		{k.index("api", true)[0], "sluice:{~overrides|api}keys"},
		{k.index("api", true)[1], "sluice:{~overrides|api}ends"},
		{k.state(&sluice.Policy{Name: "~blocks"}, "api"), "sluice:{~blocks|api}"}, // own limits in the namespace blocks
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
