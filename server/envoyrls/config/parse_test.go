package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/envoyrls/config"
)

func parse(t testing.TB, contents ...string) *config.Config {
	t.Helper()
	c, err := tryParse(config.Options{}, contents...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryParse(o config.Options, contents ...string) (*config.Config, error) {
	files := make([]config.File, len(contents))
	for i, content := range contents {
		files[i] = config.File{Name: string(rune('a' + i)), Data: []byte(content)}
	}
	return config.Parse(files, o)
}

const complete = `--- # one document
domain: d
descriptors:
  - key: plain
    rate_limit: &minute
      unit: MINUTE
      requests_per_unit: 5
  - key: merged
    value: 404
    rate_limit:
      <<: *minute
      requests_per_unit: 1_000
      name: merged
      replaces:
        - name: plain
        - {name: other}
    shadow_mode: yes
    quota_mode: True
    detailed_metric: on
    metadata:
      service: {name: one, port: 80, 1: [a, ~, no, 1.5], yes: "yes"}
  - key: nested
    value: top/*
    share_threshold: true
    value_to_metric: true
    rate_limit:
    descriptors:
      - key: sub
        value_to_metric: y
        charge_refused: true
        rate_limit: {unit: week, requests_per_unit: 0x10, every: 2, algorithm: token-bucket, burst: 20}
      - {key: sub, value: free, rate_limit: {unlimited: true, requests_per_unit: 3}}
      - {key: none, value: "", rate_limit: {unit: year, requests_per_unit: 0}}
      - {key: beside, rate_limit: *minute, algorithm: sliding-window, every: 10}
      - {key: white}
  - key: month
    rate_limit: {unit: month, requests_per_unit: 4294967295, algorithm: fixed-window}
  - key: counter
    rate_limit: {unit: day, requests_per_unit: 010, algorithm: sliding-counter}
  - key: aligned
    rate_limit: {unit: hour, requests_per_unit: 0b11, algorithm: fixed-window aligned}
--- # a second document is not looked at, as upstream does
nonsense: [`

func TestParseComplete(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	limit := func(count int64, period time.Duration, name string) sluice.Limit {
		return sluice.Per(count, period).WithName(name)
	}
	want := []*config.Rule{
		{Line: 4, Path: "plain", Requests: 5, Unit: config.Minute, Limit: limit(5, time.Minute, "minute").WithAligned()},
		{
			Line: 8, Path: "merged_404", Requests: 1000, Unit: config.Minute, Limit: limit(1000, time.Minute, "minute").WithAligned(),
			Name: "merged", Replaces: []string{"plain", "other"}, Shadow: true, Quota: true, DetailedMetric: true,
			Metadata: map[string]any{"service": map[string]any{
				"name": "one", "port": 80.0, "1": []any{"a", nil, false, 1.5}, "yes": "yes",
			}},
		},
		{
			Line: 28, Path: "nested_top/*.sub", Requests: 16, Unit: config.Week, Every: 2, Limit: limit(16, 14*day, "week").WithBurst(20),
			ChargeRefused: true, ByValue: true,
		},
		{Line: 32, Path: "nested_top/*.sub_free", Unlimited: true},
		{Line: 33, Path: "nested_top/*.none", Unit: config.Year},
		{Line: 34, Path: "nested_top/*.beside", Requests: 5, Unit: config.Minute, Every: 10, Limit: limit(5, 10*time.Minute, "minute")},
		{
			Line: 36, Path: "month", Requests: 4294967295, Unit: config.Month,
			Limit: limit(4294967295, 30*day, "month").WithAlgorithm(sluice.FixedWindow),
		},
		{Line: 38, Path: "counter", Requests: 8, Unit: config.Day, Limit: limit(8, day, "day").WithAlgorithm(sluice.SlidingCounter)},
		{Line: 40, Path: "aligned", Requests: 3, Unit: config.Hour, Limit: limit(3, time.Hour, "hour").WithAligned()},
	}
	for i, r := range want {
		r.ID, r.File, r.Domain, r.Every = i, "a", "d", max(1, r.Every)
	}
	got := parse(t, complete).Rules
	if diff := cmp.Diff([]config.Part{{Key: "nested", Value: "top/*", Shared: true}, {Key: "sub"}}, got[2].Parts); diff != "" {
		t.Errorf("the parts of rule 2, -want +got:\n%s", diff)
	}
	for _, r := range got {
		r.Parts = nil // their path says the same
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sluice.Limit{})); diff != "" {
		t.Errorf("Parse, -want +got:\n%s", diff)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	inside := func(descriptor string) string { return "domain: d\ndescriptors:\n- " + descriptor + "\n" }
	limited := func(limit string) string { return inside("key: k\n  rate_limit: {" + limit + "}") }
	for name, test := range map[string]struct {
		files []string
		want  string
	}{
		"no YAML":         {[]string{"domain: d\n\t- x"}, "a:2:1: it is no YAML: found a tab character that violates indentation"},
		"nothing":         {[]string{"# nothing\n"}, "a: it is empty; it must have a domain and descriptors"},
		"no mapping":      {[]string{"[a]"}, "a:1:1: it is a list; it must be a mapping with domain, descriptors"},
		"no domain":       {[]string{"descriptors:"}, "a:1:1: domain: it is missing or empty; it must be the name that Envoy's filter gives as its domain"},
		"two with one":    {[]string{"domain: d", "domain: d"}, `b:1:9: domain: the domain "d" is that of a too; put them in one file, or let domains be merged`},
		"no key":          {[]string{inside("value: v")}, "a:3:3: descriptors[0].key: it is missing or empty; every descriptor must have a key"},
		"empty item":      {[]string{inside("")}, "a:3:2: descriptors[0]: it is empty; write fields or take the dash out"},
		"items of text":   {[]string{inside("a")}, "a:3:3: descriptors[0]: it is text; it must be a mapping with key"},
		"no list":         {[]string{"domain: d\ndescriptors: {key: k}"}, "a:2:14: descriptors: it is a mapping; it must be a list, each item of which begins with a dash"},
		"misspelled":      {[]string{inside("key: k\n  ratelimit: {}")}, "a:4:3: descriptors[0].ratelimit: there is no such field here; did you mean rate_limit?"},
		"misspelled in":   {[]string{limited("unit: day, requestsperunit: 5, requests_per_unit: 5")}, "a:4:27: descriptors[0].rate_limit.requestsperunit: there is no such field here; did you mean requests_per_unit?"},
		"name no text":    {[]string{"0.25: d\ndomain: d"}, "a:1:1: a name is a number; it must be text"},
		"twice a field":   {[]string{inside("key: k\n  key: l")}, "a:4:3: descriptors[0].key: it is there twice, first in line 3; take one of them out"},
		"twice a rule":    {[]string{inside("{key: k, value: v}\n- {key: k, value: v}")}, `a:4:3: descriptors[1]: there is another descriptor with the key "k" and the value "v" beside it; take one of them out`},
		"no unit":         {[]string{limited("requests_per_unit: 1")}, "a:4:3: descriptors[0].rate_limit.unit: it is missing; it must be second, minute, hour, day, week, month or year"},
		"another unit":    {[]string{limited("unit: unknown, requests_per_unit: 1")}, `a:4:22: descriptors[0].rate_limit.unit: it is "unknown"; it must be second, minute, hour, day, week, month or year`},
		"no number":       {[]string{limited("unit: day")}, "a:4:3: descriptors[0].rate_limit.requests_per_unit: it is missing; write how many may be had in a unit, 0 for none, or unlimited: true"},
		"text for number": {[]string{limited(`unit: day, requests_per_unit: "5"`)}, `a:4:46: descriptors[0].rate_limit.requests_per_unit: it is "5"; it must be a whole number from 0 to 4294967295`},
		"a fraction":      {[]string{limited(`unit: day, requests_per_unit: 1.5`)}, `it is "1.5"; it must be a whole number from 0 to 4294967295`},
		"too much":        {[]string{limited(`unit: day, requests_per_unit: 4294967296`)}, `it is "4294967296"; it must be a whole number from 0 to 4294967295`},
		"unlimited unit":  {[]string{limited("unlimited: true, unit: day")}, "a:4:33: descriptors[0].rate_limit.unit: unlimited has no unit; take one of them out"},
		"replaces itself": {[]string{limited("unit: day, requests_per_unit: 1, name: a, replaces: [{name: a}]")}, `descriptors[0].rate_limit.replaces: item 0 is the rule's own name, "a"; it must be that of another`},
		"replaces none":   {[]string{limited("unit: day, requests_per_unit: 1, replaces: [{name: }]")}, "descriptors[0].rate_limit.replaces[0].name: it is missing or empty; it must be the name of the rule that is replaced"},
		"no bool":         {[]string{inside("{key: k, shadow_mode: maybe}")}, `a:3:25: descriptors[0].shadow_mode: it is "maybe"; it must be true or false`},
		"share no star":   {[]string{inside("{key: k, value: v, share_threshold: true}")}, `descriptors[0].share_threshold: it goes with a value that has a * only`},
		"algorithm":       {[]string{limited("unit: day, requests_per_unit: 1, algorithm: gcra")}, `it is "gcra"; it must be fixed-window aligned, fixed-window, sliding-window, sliding-counter, token-bucket`},
		"burst":           {[]string{limited("unit: day, requests_per_unit: 1, burst: 2")}, "descriptors[0].rate_limit.burst: a burst goes with algorithm: token-bucket only"},
		"every":           {[]string{limited("unit: month, requests_per_unit: 1, every: 13")}, `descriptors[0].rate_limit.every: it is "13"; it must be a whole number from 1 to 12`},
		"in both places":  {[]string{inside("{key: k, every: 2, rate_limit: {unit: day, requests_per_unit: 1, every: 2}}")}, "a:3:12: descriptors[0].every: the rate_limit says it too; take one of them out"},
		"no rate_limit":   {[]string{inside("{key: k, every: 2}")}, "a:3:3: descriptors[0]: algorithm, every and burst go with a rate_limit only, and it has none"},
		"unlimited every": {[]string{limited("unlimited: true, every: 2")}, "descriptors[0].rate_limit.every: it says nothing beside unlimited; take one of them out"},
		"metadata":        {[]string{inside("{key: k, metadata: [a]}")}, "a:3:22: descriptors[0].metadata: it is a list; it must be a mapping of names to anything"},
		"an alias bomb": {[]string{"domain: d\ndescriptors:\n- key: k\n  metadata:\n    a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" +
			bomb("abcdefgh")}, "there are more than 500000 values here with those that aliases bring; split the file"},
		"too deep": {
			[]string{"domain: d\ndescriptors:\n" + strings.Repeat(" [{key: k, descriptors:\n", 33) + " []" + strings.Repeat("}]", 33)},
			"it is nested more than 32 deep; no request is",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := tryParse(config.Options{}, test.files...); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse = %v, want %s", err, test.want)
			}
		})
	}
}

// bomb is mappings each of which has the one before it ten times.
func bomb(names string) string {
	var b strings.Builder
	for i := 1; i < len(names); i++ {
		alias := "*" + names[i-1:i]
		fmt.Fprintf(&b, "    %c: &%c [%s%s]\n", names[i], names[i], alias, strings.Repeat(", "+alias, 9))
	}
	return b.String()
}

// TestAllFaultsAtOnce reads two files with faults, and finds them all, in the order of their places.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := tryParse(config.Options{}, "domain: d\ndescriptors:\n- value: v\n- key: k\n  rate_limit: {unit: eon}\n", "domain: ''\n")
	want := `a:3:3: descriptors[0].key: it is missing or empty; every descriptor must have a key
a:5:3: descriptors[1].rate_limit.requests_per_unit: it is missing; write how many may be had in a unit, 0 for none, or unlimited: true
a:5:22: descriptors[1].rate_limit.unit: it is "eon"; it must be second, minute, hour, day, week, month or year
b:1:9: domain: it is missing or empty; it must be the name that Envoy's filter gives as its domain`
	if err == nil || err.Error() != want {
		t.Errorf("Parse = %v\nwant\n%s", err, want)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	const one, two = "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]", "domain: d\ndescriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 2}}]"
	c, err := tryParse(config.Options{Merge: true}, one, two)
	if err != nil || c.Domains() != 1 || len(c.Rules) != 2 {
		t.Fatalf("two files of a domain = %+v, %v, want 1 domain of 2 rules", c, err)
	}
	for key, want := range map[string]int64{"a": 1, "b": 2} {
		if m := c.Match("d", []config.Entry{{Key: key}}); m.Rule == nil || m.Rule.Requests != want {
			t.Errorf("%s matches %+v, want the rule with %d", key, m.Rule, want)
		}
	}
	if _, err := tryParse(config.Options{Merge: true}, one, one); err == nil {
		t.Error("the same descriptor in two files that are merged is no fault")
	}
}

// FuzzParse reads anything.
func FuzzParse(f *testing.F) {
	f.Add([]byte(complete))
	f.Add([]byte("domain: d\ndescriptors: [{<<: [{key: k}], value: *x}]"))
	f.Add([]byte("&a {<<: *a}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse([]config.File{{Name: "f", Data: data}}, config.Options{})
		if (c == nil) == (err == nil) {
			t.Errorf("Parse = %v, %v, want one of them", c, err)
		}
		if err != nil {
			return
		}
		for i, r := range c.Rules {
			if r.ID != i || r.Limit != (sluice.Limit{}) && r.Limit.Validate() != nil {
				t.Errorf("rule %d is %+v", i, r)
			}
		}
	})
}
