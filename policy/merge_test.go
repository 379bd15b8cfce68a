package policy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// read makes policies of their documents: name, document, name, document.
func read(t *testing.T, texts ...string) []policy.Policy {
	t.Helper()
	all := []policy.Policy{}
	for pair := range slices.Chunk(texts, 2) {
		p, err := policy.ParseDocument(pair[0], []byte(pair[1]))
		if err != nil {
			t.Fatalf("ParseDocument(%s):\n%v", pair[1], err)
		}
		all = append(all, p)
	}
	return all
}

func TestMerge(t *testing.T) {
	t.Parallel()
	const plain = `{"limits":{"second":"10/s","day":"100/day"}}`
	for _, test := range []struct {
		name             string
		base, file, live string // of the policy api; "" where there is none
		want             string
	}{
		{"nothing", plain, plain, plain, plain},
		{"changed live", plain, plain, `{"limits":{"second":"20/s","day":"100/day"}}`, `{"limits":{"second":"20/s","day":"100/day"}}`},
		{
			"ramped up live, another limit in the file", plain, `{"limits":{"second":"10/s","day":"200/day"}}`,
			`{"limits":{"second":"37/s","day":"100/day"}}`, `{"limits":{"second":"37/s","day":"200/day"}}`,
		},
		{
			"the same limit in both", plain, `{"limits":{"second":"20/s","day":"100/day"}}`,
			`{"limits":{"second":"37/s","day":"100/day"}}`, `{"limits":{"second":"20/s","day":"100/day"}}`,
		},
		{"a new limit in the file", plain, `{"limits":{"hour":"50/h","second":"10/s","minute":"20/m","day":"100/day"}}`, `{"limits":{"second":"37/s","day":"100/day"}}`, `{"limits":{"hour":"50/h","second":"37/s","minute":"20/m","day":"100/day"}}`},
		{"a limit taken out of the file", plain, `{"limits":{"day":"100/day"}}`, `{"limits":{"second":"37/s","day":"100/day","week":"300/week"}}`, `{"limits":{"day":"100/day","week":"300/week"}}`},
		{"a limit taken away live", plain, `{"limits":{"second":"10/s","day":"200/day"}}`, `{"limits":{"day":"100/day"}}`, `{"limits":{"day":"200/day"}}`},
		{"in another order in the file", plain, `{"limits":{"day":"100/day","second":"10/s"}}`, `{"limits":{"second":"37/s","week":"300/week","day":"100/day"}}`, `{"limits":{"day":"100/day","second":"37/s","week":"300/week"}}`},
		{"in another order live", plain, `{"limits":{"second":"10/s","day":"200/day"}}`, `{"limits":{"day":"100/day","second":"10/s"}}`, `{"limits":{"day":"200/day","second":"10/s"}}`},
		{"no limit would be left", plain, `{"limits":{"second":"10/s"}}`, `{"limits":{"day":"100/day"}}`, `{"limits":{"second":"10/s"}}`},
		{
			"every field of its own", `{"key":"ip","missing":"refuse","limits":["1/s"],"block":{"after":5,"within":"1m","for":"1m"}}`,
			`{"key":"path","missing":"refuse","limits":["1/s"],"shadow":true,"block":{"after":5,"within":"1m","for":"1m"}}`,
			`{"key":"ip","missing":"allow","limits":["1/s"],"on_error":"deny","block":{"after":6,"within":"1m","for":"1m"}}`,
			`{"key":"path","missing":"allow","limits":["1/s"],"on_error":"deny","shadow":true,"block":{"after":6,"within":"1m","for":"1m"}}`,
		},
		{
			"block and key taken out of the file", `{"key":"ip","limits":["1/s"],"block":{"after":5,"within":"1m","for":"1m"}}`, `{"limits":["1/s"]}`,
			`{"key":"ip","limits":["1/s"],"block":{"after":6,"within":"1m","for":"1m"}}`, `{"limits":["1/s"]}`,
		},
		{
			"overrides", `{"limits":["1/s"],"overrides":{"a":{"limits":["1/s"]},"b":{"limits":["1/s"]},"c":{"limits":["1/s"]}}}`,
			`{"limits":["1/s"],"overrides":{"a":{"limits":["2/s"]},"b":{"limits":["1/s"]},"d*":{"limits":["4/s"]}}}`,
			`{"limits":["1/s"],"overrides":{"b":{"limits":["5/s"]},"c":{"limits":["6/s"]},"e":{"limits":["7/s"]}}}`,
			`{"limits":["1/s"],"overrides":{"a":{"limits":["2/s"]},"b":{"limits":["5/s"]},"d*":{"limits":["4/s"]},"e":{"limits":["7/s"]}}}`,
		},
		{"new in the file", "", plain, "", plain},
		{"new in the file and there", "", plain, `{"limits":{"second":"37/s","week":"300/week"},"shadow":true}`, `{"limits":{"second":"10/s","day":"100/day","week":"300/week"}}`},
		{"out of the file", plain, "", `{"limits":{"second":"37/s"}}`, ""},
		{"live only", "", "", plain, plain},
		{"deleted live", plain, plain, "", ""},
		{"deleted live, changed in the file", plain, `{"limits":["7/s"]}`, "", `{"limits":["7/s"]}`},
	} {
		of := func(document string) []policy.Policy {
			if document == "" {
				return read(t)
			}
			return read(t, "api", document)
		}
		got := policy.Merge(of(test.base), of(test.file), of(test.live))
		if diff := policy.Diff(of(test.want), got); diff != nil {
			t.Errorf("%s: Merge, from what is wanted to what there is: %+v", test.name, diff)
		}
	}
}

func TestMergeWithoutBase(t *testing.T) {
	t.Parallel()
	file := read(t, "api", `{"limits":["1/s"]}`, "new", `{"limits":["2/s"]}`)
	live := read(t, "api", `{"limits":["5/s"],"shadow":true}`, "old", `{"limits":["3/s"]}`)
	got := policy.Merge(nil, file, live)
	want := read(t, "api", `{"limits":["5/s"],"shadow":true}`, "new", `{"limits":["2/s"]}`, "old", `{"limits":["3/s"]}`)
	if diff := samePolicies(want, got); diff != "" {
		t.Errorf("Merge without a base, -want +got:\n%s", diff)
	}
	if got := policy.Merge(nil, file, nil); samePolicies(file, got) != "" {
		t.Errorf("Merge without a base and anything live = %+v, want the file", got)
	}
}

func TestMergeKeepsResetAt(t *testing.T) {
	t.Parallel()
	base, file, live := read(t, "api", `{"limits":["1/s"]}`), read(t, "api", `{"limits":["2/s"]}`), read(t, "api", `{"limits":["1/s"]}`)
	live[0].ResetAt = 5
	for _, file := range [][]policy.Policy{file, base} {
		if got := policy.Merge(base, file, live); len(got) != 1 || got[0].ResetAt != 5 {
			t.Errorf("Merge(%+v) = %+v, want ResetAt as it is live", file, got)
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	from := read(
		t, "api", `{"key":"ip","limits":{"second":"10/s","day":"100/day"},"overrides":{"t*":{"limits":["1/s"]}}}`,
		"gone", `{"limits":["1/s"]}`, "same", `{"limits":["1/s"]}`, "turned", `{"limits":["1/s","2/h","3/day"]}`,
	)
	to := read(
		t, "api", `{"limits":{"second":"20/s","week":"9/week"},"shadow":true,"block":{"after":1,"within":"1s","for":"1s"},"overrides":{"t*":{"limits":["2/s"]}}}`,
		"new", `{"limits":["1/s"]}`, "same", `{"limits":["1/s"]}`, "turned", `{"limits":["3/day","1/s","4/week"]}`,
	)
	to[2].ResetAt = 5
	want := []policy.Difference{
		{"policies.api.key", `["ip"]`, ""},
		{"policies.api.limits.second", "10/s", "20/s"},
		{"policies.api.limits.day", "100/day", ""},
		{"policies.api.shadow", "false", "true"},
		{"policies.api.overrides.t*", `{"limits":{"second":"1/s"}}`, `{"limits":{"second":"2/s"}}`},
		{"policies.api.limits.week", "", "9/week"},
		{"policies.api.block", "", `{"after":1,"within":"1s","for":"1s"}`},
		{"policies.gone", `{"missing":"refuse","limits":{"second":"1/s"},"on_error":"allow","shadow":false,"deny_cache":false}`, ""},
		{"policies.new", "", `{"missing":"refuse","limits":{"second":"1/s"},"on_error":"allow","shadow":false,"deny_cache":false}`},
		{"policies.turned.limits.hour", "2/h", ""},
		{"policies.turned.limits.week", "", "4/week"},
		{"policies.turned.limits", "second, day", "day, second"},
	}
	for i, d := range want {
		want[i].From = strings.ReplaceAll(d.From, "2/h", "2/hour")
	}
	if diff := cmp.Diff(want, policy.Diff(from, to)); diff != "" {
		t.Errorf("Diff, -want +got:\n%s", diff)
	}
	if got := policy.Diff(from, from); got != nil {
		t.Errorf("Diff of the same = %+v, want none", got)
	}
}

// TestMergeProperties shows what a merge of any three is.
func TestMergeProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, file, live := drawPolicies(t, "base"), drawPolicies(t, "file"), drawPolicies(t, "live")
		same := func(what string, want, got []policy.Policy) {
			t.Helper()
			if diff := policy.Diff(want, got); diff != nil {
				t.Errorf("%s: from what is wanted to what there is: %+v", what, diff)
			}
		}
		same("a file that is as it was changes nothing", live, policy.Merge(file, file, live))
		same("where nothing was changed live, the file holds", file, policy.Merge(base, file, base))
		merged := policy.Merge(base, file, live)
		same("the same file again changes nothing", merged, policy.Merge(base, file, merged))
		same("nor does it once it is the base", merged, policy.Merge(file, file, merged))
		if _, err := policy.NewSnapshot(merged, year(2030)); err != nil {
			t.Errorf("Merge is not legal: %v", err)
		}
		first := policy.Merge(nil, file, live)
		same("without a base, the same file again changes nothing", first, policy.Merge(nil, file, first))
		for _, p := range live {
			same("without a base, nothing live changes", []policy.Policy{p}, slices.DeleteFunc(slices.Clone(first), func(q policy.Policy) bool { return q.Name != p.Name }))
		}
		for _, p := range merged {
			for _, l := range p.Limits {
				has := func(all []policy.Policy) bool {
					return slices.ContainsFunc(all, func(q policy.Policy) bool {
						return q.Name == p.Name && slices.ContainsFunc(q.Limits, func(m sluice.Limit) bool { return m.Name() == l.Name() && m.String() == l.String() })
					})
				}
				if !has(file) && !has(live) {
					t.Errorf("Merge made up the limit %s %s of %s", l.Name(), l, p.Name)
				}
			}
		}
	})
}

// TestDiffIsEmptyForTheSame shows that policies have differences exactly where their revisions differ.
func TestDiffIsEmptyForTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawPolicy(t, 1), drawPolicy(t, 1)
		diff := policy.Diff([]policy.Policy{p}, []policy.Policy{q})
		if (diff == nil) != (p.Revision() == q.Revision()) {
			t.Errorf("Diff = %+v of %s and %s", diff, p.Document(), q.Document())
		}
	})
}

func TestSplitDocument(t *testing.T) {
	t.Parallel()
	const document = ` {"cron": "@hourly", "set": {"policy": "a", "limits": {"b": [1, 2], "a": null}}, "limits": {"x": {"y": 1}, "": 2}, "none": {}} `
	got, err := policy.SplitDocument([]byte(document), "limits", "none", "cron")
	want := []policy.Leaf{
		{Field: "cron", Value: `"@hourly"`},
		{Field: "set", Value: `{"policy":"a","limits":{"b":[1,2],"a":null}}`},
		{Field: "limits", Name: "x", Value: `{"y":1}`},
		{Field: "limits", Name: "", Value: "2"},
		{Field: "none", Value: "{}"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("SplitDocument error = %v, -want +got:\n%s", err, diff)
	}
	for _, wrong := range []string{"", "[]", "1", `{"a"}`, `{"a":1}{}`, "null"} {
		if got, err := policy.SplitDocument([]byte(wrong)); err == nil {
			t.Errorf("SplitDocument(%s) = %+v, want an error", wrong, got)
		}
	}
}

// TestJoinDocument puts together what was taken apart.
func TestJoinDocument(t *testing.T) {
	t.Parallel()
	for _, document := range []string{`{}`, `{"a":1}`, `{"a":{"b":{"c":[{}]},"d":"\u0000"},"e":{"f":1},"g":{}}`} {
		leaves, err := policy.SplitDocument([]byte(document), "a", "g")
		if err != nil {
			t.Fatal(err)
		}
		if got := string(policy.JoinDocument(leaves)); got != document || !json.Valid([]byte(got)) {
			t.Errorf("JoinDocument(%+v) = %s, want %s", leaves, got, document)
		}
	}
}

// TestMergeDocuments merges documents of another kind than policies.
func TestMergeDocuments(t *testing.T) {
	t.Parallel()
	split := func(documents ...string) map[string][]policy.Leaf {
		all := make(map[string][]policy.Leaf)
		for pair := range slices.Chunk(documents, 2) {
			leaves, err := policy.SplitDocument([]byte(pair[1]))
			if err != nil {
				t.Fatal(err)
			}
			all[pair[0]] = leaves
		}
		return all
	}
	oneJob := func(_ string, leaves []policy.Leaf) bool { return len(leaves) == 2 }
	base := split("nightly", `{"cron":"0 0 * * *","reset":{"policy":"api"}}`, "hourly", `{"cron":"@hourly","adjust":{"by":1}}`)
	file := split("nightly", `{"cron":"0 1 * * *","reset":{"policy":"api"}}`, "hourly", `{"cron":"@hourly","adjust":{"by":2}}`)
	live := split("nightly", `{"cron":"0 0 * * *","reset":{"policy":"login"}}`, "hourly", `{"cron":"@daily","set":{"limits":["1/s"]}}`)
	got := policy.MergeDocuments(base, file, live, oneJob)
	want := split("nightly", `{"cron":"0 1 * * *","reset":{"policy":"login"}}`, "hourly", `{"cron":"@hourly","adjust":{"by":2}}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("MergeDocuments, -want +got:\n%s", diff)
	}
	differences := policy.DiffDocuments("schedules", live, got)
	if len(differences) != 4 || differences[0] != (policy.Difference{"schedules.hourly.cron", "@daily", "@hourly"}) {
		t.Errorf("DiffDocuments = %+v, want four, the first in the cron expression of hourly", differences)
	}
}
