package config_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/envoyrls/config"
)

// entries reads "a=b c=d".
func entries(text string) (all []config.Entry) {
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		all = append(all, config.Entry{Key: key, Value: value})
	}
	return all
}

const tree = `
domain: d
descriptors:
- {key: k, rate_limit: {unit: day, requests_per_unit: 1}}
- {key: k, value: v, rate_limit: {unit: day, requests_per_unit: 2}}
- {key: k, value: white}
- {key: k, value: "w*", rate_limit: {unit: day, requests_per_unit: 3}}
- {key: k, value: "wo*", rate_limit: {unit: day, requests_per_unit: 4}}
- {key: k, value: "a*b*c", rate_limit: {unit: day, requests_per_unit: 5}}
- {key: a, value: b, rate_limit: {unit: day, requests_per_unit: 6}}
- {key: dup, value: "x*x", rate_limit: {unit: day, requests_per_unit: 7}}
- key: top
  value: "t/*"
  share_threshold: true
  value_to_metric: true
  descriptors:
  - {key: sub, rate_limit: {unit: day, requests_per_unit: 8}, value_to_metric: true}
  - {key: sub, value: "s*", rate_limit: {unit: day, requests_per_unit: 9}, detailed_metric: true}
- key: top
  descriptors:
  - {key: sub, rate_limit: {unit: day, requests_per_unit: 10}}
`

func TestMatch(t *testing.T) {
	t.Parallel()
	c := parse(t, tree)
	for text, want := range map[string]struct {
		requests  int64 // 0 is no rule
		key, name string
	}{
		"k=x":            {1, "d|k=x", "k"},
		"k":              {1, "d|k=", "k"},
		"k=v":            {2, "d|k=v", "k_v"},
		"k=white":        {},
		"k=wo":           {3, "d|k=wo", "k_w*"}, // the first pattern
		"k=abc":          {5, "d|k=abc", "k_a*b*c"},
		"k=axxbyyc":      {5, "d|k=axxbyyc", "k_a*b*c"},
		"k=ac":           {1, "d|k=ac", "k"},
		"k=acb":          {1, "d|k=acb", "k"},
		"a_b=c":          {}, // and a=b_c is another
		"a=b_c":          {},
		"a=b":            {6, "d|a=b", "a_b"},
		"k=v k=v":        {}, // one level deeper
		"dup=x":          {}, // one x is not two
		"dup=xx":         {7, "d|dup=xx", "dup_x*x"},
		"top=t/1":        {},
		"top=t/1 sub=a":  {8, "d|top*=t/*|sub=a", "top_t/*.sub_a"},
		"top=t/* sub=a":  {8, "d|top*=t/*|sub=a", "top_t/*.sub_a"},
		"top=t/1 sub=sa": {9, "d|top*=t/*|sub=sa", "top_t/*.sub_sa"},
		"top=u sub=a":    {10, "d|top=u|sub=a", "top.sub"},
		"top=u other=a":  {},
		"nothing=1":      {},
		"":               {},
	} {
		given := entries(text)
		m := c.Match("d", given)
		if m.Rule == nil || want.requests == 0 {
			if m.Rule != nil || want.requests != 0 {
				t.Errorf("%q matches %+v, want the rule with %d", text, m.Rule, want.requests)
			}
			continue
		}
		key := config.Key(m.AppendKey(nil, c, "d", given))
		if m.Rule.Requests != want.requests || key != want.key || c.Name("d", given) != want.name {
			t.Errorf("%q matches the rule with %d, the key %s and the name %s, want %d, %s, %s",
				text, m.Rule.Requests, key, c.Name("d", given), want.requests, want.key, want.name)
		}
	}
	if m := c.Match("e", entries("k=v")); m.Rule != nil || c.Knows("e") || !c.Knows("d") {
		t.Errorf("an unknown domain has the rule %+v", m.Rule)
	}
}

// TestKeysNeverCollide gives descriptors that upstream's way of writing keys does not tell apart, and some that ours
// might not.
func TestKeysNeverCollide(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", sluice.MaxKeyBytes)
	type request struct {
		domain string
		all    []config.Entry
	}
	requests := []request{
		{"d", []config.Entry{{"user", "a_ip_1"}}},
		{"d", []config.Entry{{"user", "a"}, {"ip", "1"}}},
		{"d", []config.Entry{{"user", "a|ip=1"}}},
		{"d", []config.Entry{{"user=a|ip", "1"}}},
		{"d|user=a", []config.Entry{{"ip", "1"}}},
		{"d", []config.Entry{{"user", `a\|ip=1`}}},
		{"d", []config.Entry{{`user\`, "a"}, {"ip", "1"}}},
		{"d", []config.Entry{{"user", `a\`}, {"ip", "1"}}},
		{"d", []config.Entry{{"user", ""}}},
		{"d", []config.Entry{{"user*", ""}}},
		{"d", []config.Entry{{"", "user"}}},
		{"d", []config.Entry{{"", ""}, {"", ""}}},
		{"d", nil},
		{"", nil},
		{"d", []config.Entry{{"k", long}}},
		{"d", []config.Entry{{"k", long + "y"}}},
		{"d", []config.Entry{{"k", long + "z"}}},
	}
	for _, r := range requests[len(requests)-3:] { // what a long key becomes is no other key, either
		key := config.Key(config.Match{}.AppendKey(nil, parse(t, tree), r.domain, r.all))
		requests = append(requests, request{key, nil}, request{"d", []config.Entry{{key, ""}}})
	}
	first := map[string]int{}
	for i, r := range requests {
		key := config.Key(config.Match{}.AppendKey(nil, parse(t, tree), r.domain, r.all))
		if err := sluice.ValidateKey(key); err != nil && r.domain != "" {
			t.Errorf("the key of %.100q: %v", fmt.Sprint(r), err)
		}
		if before, there := first[key]; there {
			t.Errorf("%.100q and %.100q have one key", fmt.Sprint(r), fmt.Sprint(requests[before]))
		}
		first[key] = i
	}
}

// FuzzMatch compares the matcher with a slow one, and the keys of two descriptors with the descriptors.
func FuzzMatch(f *testing.F) {
	f.Add("d", "k", "v", "k", "v", "", "")
	f.Add("d", "top", "t/1", "sub", "s", "x*y*z", "xyyz")
	f.Add("d", "a", "b_c", "a_b", "c", "*", "")
	f.Add("d", `a\`, "|b", "a", `\|b`, "a*a", "a")
	c := parse(f, tree)
	f.Fuzz(func(t *testing.T, domain, key1, value1, key2, value2, pattern, value string) {
		one, two := []config.Entry{{key1, value1}}, []config.Entry{{key1, value1}, {key2, value2}}
		lists := [][]config.Entry{one, two, {{key2, value2}}, {{key1, value2}}, {{key1 + key2, value1}}, {{key2, value2}, {key1, value1}}}
		for _, a := range lists {
			if got, want := c.Match(domain, a).Rule, slowMatch(c, domain, a); got != want {
				t.Errorf("%q matches %+v, want %+v", a, got, want)
			}
			c.Name(domain, a)
			for _, b := range lists {
				keyA, keyB := config.Match{}.AppendKey(nil, c, domain, a), config.Match{}.AppendKey(nil, c, domain, b)
				if same := fmt.Sprintf("%q", a) == fmt.Sprintf("%q", b); same != bytes.Equal(keyA, keyB) || same != (config.Key(keyA) == config.Key(keyB)) {
					t.Errorf("%q and %q have the keys %q and %q", a, b, keyA, keyB)
				}
			}
		}
		if strings.Contains(pattern, "*") && value != pattern {
			yaml := fmt.Sprintf("domain: d\ndescriptors: [{key: k, value: %q, rate_limit: {unit: day, requests_per_unit: 1}}]", pattern)
			c, err := tryParse(config.Options{}, yaml)
			if err != nil {
				return // Go quotes otherwise than YAML
			}
			got := c.Match("d", []config.Entry{{"k", value}}).Rule != nil
			if want := glob(c.Rules[0].Path[len("k_"):]).MatchString(value); got != want {
				t.Errorf("the pattern %q matches %q: %t, want %t", pattern, value, got, want)
			}
		}
	})
}

// glob returns a pattern as a regular expression.
func glob(pattern string) *regexp.Regexp {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$")
}

// slowMatch finds the rule of the tree by looking at all of them: the paths say what they are for, as no key of the tree
// has a '_' or '.'.
func slowMatch(c *config.Config, domain string, given []config.Entry) *config.Rule {
	if domain != "d" || len(given) == 0 {
		return nil
	}
	paths := []string{"k_white", "top", "top_t/*"}
	byPath := map[string]*config.Rule{}
	for _, r := range c.Rules {
		byPath[r.Path] = r
		paths = append(paths, r.Path)
	}
	at := ""
	for _, e := range given {
		exact, any, pattern := "", "", ""
		for _, path := range paths {
			name, inside := strings.CutPrefix(path, at)
			key, value, valued := strings.Cut(name, "_")
			if !inside || strings.Contains(name, ".") || key != e.Key {
				continue
			}
			switch {
			case !valued:
				any = path
			case value == e.Value:
				exact = path
			case strings.Contains(value, "*") && pattern == "" && glob(value).MatchString(e.Value):
				pattern = path
			}
		}
		switch {
		case exact != "":
			at = exact + "."
		case pattern != "":
			at = pattern + "."
		case any != "":
			at = any + "."
		default:
			return nil
		}
	}
	return byPath[strings.TrimSuffix(at, ".")]
}
