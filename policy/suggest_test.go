package policy

import "testing"

func TestSuggest(t *testing.T) {
	t.Parallel()
	names := []string{"limits", "key", "on_error", "store", "store_timeout"}
	for name, want := range map[string]string{
		"limit":        "did you mean limits?",
		"limtis":       "did you mean limits?",
		"LIMITS":       "did you mean limits?",
		"keys":         "did you mean key?",
		"kye":          "did you mean key?",
		"onerror":      "did you mean on_error?",
		"on-error":     "did you mean on_error?",
		"storetimeout": "did you mean store_timeout?",
		"stor":         "did you mean store?",
		"":             "there are limits, key, on_error, store, store_timeout",
		"quota":        "there are limits, key, on_error, store, store_timeout",
		"kxyz":         "there are limits, key, on_error, store, store_timeout",
	} {
		if got := Suggest(name, names); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "acb", 1},
		{"abc", "cab", 2},
		{"12ab", "34ba", 3},
		{"kitten", "sitting", 3},
		{"abcdefgh", "", 5},
		{"abcdefgh", "ijklmnop", 5},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := distance(pair[0], pair[1], 5); got != test.want {
				t.Errorf("distance(%q, %q, 5) = %d, want %d", pair[0], pair[1], got, test.want)
			}
		}
	}
}

func TestJoinPath(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ path, name, want string }{
		{"", "api", "api"},
		{"policies", "api.v1", "policies.api.v1"},
		{"overrides", "trial-*", "overrides.trial-*"},
		{"overrides", "", `overrides.""`},
		{"overrides", "user:42", `overrides."user:42"`},
		{"overrides", "a\nb", `overrides."a\nb"`},
		{"overrides", "é", `overrides."é"`},
	} {
		if got := JoinPath(test.path, test.name); got != test.want {
			t.Errorf("JoinPath(%q, %q) = %s, want %s", test.path, test.name, got, test.want)
		}
	}
}
