package storetest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// testAwkwardKeys shows promise 10 for keys: any bytes will do, and different keys never share a counter, nor do the
// same keys of different policies, alone and in one call.
func (s *suite) testAwkwardKeys(t rapid.TB) {
	const at = 1_700_000_000_000_000
	ctx, cancel := call()
	defer cancel()
	name := s.policyName()
	var reqs []sluice.Request
	for _, policy := range []sluice.Policy{
		{Name: name},
		{Name: name + "-"},
		{Name: name + ".a"},
		{Name: name + "_1"},
		sluice.InlinePolicy(name),
	} {
		policy.Limits = []sluice.Limit{sluice.PerDay(1)}
		for _, key := range awkwardKeys(name) {
			reqs = append(reqs, sluice.Request{Policy: &policy, Key: key, Cost: 1, At: at})
		}
	}
	half := len(reqs) / 2
	var first []sluice.Result
	for _, req := range reqs[:half] {
		d, err := s.harness.Store().Check(ctx, req)
		first = append(first, sluice.Result{Decision: d, Err: err})
	}
	first = append(first, s.harness.Store().CheckAll(ctx, reqs[half:])...)
	second := s.harness.Store().CheckAll(ctx, reqs)
	for i, req := range reqs {
		switch {
		case first[i].Err != nil || second[i].Err != nil:
			t.Errorf("%s of %s: errors %v, %v", question(req), req.Policy.Name, first[i].Err, second[i].Err)
		case !first[i].Decision.Allowed:
			t.Errorf("%s of %s: its only unit was taken by another key: %s", question(req), req.Policy.Name, first[i].Decision)
		case second[i].Decision.Allowed:
			t.Errorf("%s of %s: its only unit was granted twice: %s", question(req), req.Policy.Name, second[i].Decision)
		}
		if err := s.harness.Store().Reset(ctx, req.Policy, req.Key); err != nil {
			t.Errorf("%s of %s: reset: %v", question(req), req.Policy.Name, err)
		}
	}
}

// awkwardKeys returns keys that a careless store confuses, loses or trips over, all different.
func awkwardKeys(policy string) []string {
	long := strings.Repeat("x", sluice.MaxKeyBytes)
	keys := []string{
		"a", "-a", ".aa", "_1a", "A", " a", "a ", "a\x00", "a\x00b", "\x00", "\x00\x00", "a\n", "a\r\n", "\r\n", "\n", "\t", " ",
		"{", "}", "{}", "{a}", "{a}b", "a{b}", "}{", "{{a}}", "{a", "a}", "{" + policy + "|a}",
		"|", "a|", "|a", "a|b", policy + "|a", `a\|b`, `\`, `\\`,
		"..", ".", "/", "a/b", "a//b", "a/./b", "a/../b", "../a",
		"#", "##", "#a", "#0", ":", "a:b", "sluice:", "*", "?", "[a]", "%00", "%", "$1", "'", `"`, "--",
		"\xff", "\xff\xfe", "\xc3\x28", "é", "e\u0301", "\u200b", "\U0001f600", "0", "00", "-1", "1e3", "nil", "false",
		strings.Repeat("k", 199), strings.Repeat("k", 200), strings.Repeat("k", 201), strings.Repeat("k", 202),
		long, long[:len(long)-1], long[:len(long)-1] + "y", "y" + long[1:], strings.Repeat("\x00", sluice.MaxKeyBytes),
	}
	// What a store might write in place of a key that it does not keep as it is.
	for _, key := range []string{"{a}", "#a", strings.Repeat("k", 201), long} {
		sum := sha256.Sum256([]byte(key))
		for _, part := range [][]byte{sum[:], sum[:16]} {
			keys = append(
				keys, hex.EncodeToString(part), "#"+hex.EncodeToString(part), "#"+string(part),
				"#"+base64.RawURLEncoding.EncodeToString(part), "#"+base64.RawStdEncoding.EncodeToString(part),
			)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys) // two alphabets may spell one sum alike
}
