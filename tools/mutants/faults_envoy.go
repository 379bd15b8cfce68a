package main

// envoyFaults are in the door for Envoy.
var envoyFaults = []fault{
	{
		name: "keys are joined without escapes",
		file: "server/envoyrls/config/key.go", by: envoyFiles,
		old: `case c == '\\', c == '|', isKey && (c == '=' || c == '*'):`,
		new: `case c == '\\':`,
	},
	{
		name: "long keys are cut off",
		file: "server/envoyrls/config/key.go", by: envoyFiles,
		old: "	sum := sha256.Sum256(b)\n",
		new: "	sum := sha256.Sum256(b[:sluice.MaxKeyBytes])\n",
	},
	{
		name: "a shared threshold is one of each value",
		file: "server/envoyrls/config/match.go", by: envoyFiles,
		old: "			m.shared |= 1 << i\n",
		new: "			m.shared |= 0 << i\n",
	},
	{
		name: "a pattern's prefix and suffix overlap",
		file: "server/envoyrls/config/match.go", by: envoyFiles,
		old: "len(value) < len(first)+len(last) || ",
		new: "len(value) < max(len(first), len(last)) || ",
	},
	{
		name: "the rule of any value goes before patterns",
		file: "server/envoyrls/config/match.go", by: envoyFiles,
		old: "	for _, child := range l.patterns {\n",
		new: "	if l.any != nil {\n		return l.any\n	}\n	for _, child := range l.patterns {\n",
	},
	{
		name: "a missing number refuses everybody",
		file: "server/envoyrls/config/descriptor.go", by: envoyFiles,
		old: "if !l.counted {",
		new: "if false {",
	},
	{
		name: "an alias is read without counting",
		file: "server/envoyrls/config/reader.go", by: envoyFiles,
		old: "if r.values++; r.values >= maxValues {",
		new: "if r.values >= maxValues {",
	},
	{
		name: "units share what is stored",
		file: "server/envoyrls/door.go", by: envoy,
		old: `	return "envoy." + r.Unit.String()`,
		new: `	return "envoy"`,
	},
	{
		name: "a replaced rule does not replace",
		file: "server/envoyrls/service.go", by: envoy,
		old: "		if questions[i].rule == nil {\n			continue",
		new: "		if questions[i].rule == nil || questions[i].replaced {\n			continue",
	},
	{
		name: "a peek is never over the limit",
		file: "server/envoyrls/answer.go", by: envoy,
		old: "return q.answer.Remaining, q.answer.Remaining == 0, ",
		new: "return q.answer.Remaining, false, ",
	},
	{
		name: "a quota refuses by itself",
		file: "server/envoyrls/answer.go", by: envoy,
		old: "refused || quotas > 0 && quotas == quotasExhausted",
		new: "refused || quotasExhausted > 0",
	},
	{
		name: "the store is waited for as long as the caller waits",
		file: "server/envoyrls/service.go", by: envoy,
		old: "deadline.Add(-kept)",
		new: "deadline",
	},
	{
		name: "merged metadata changes the rules",
		file: "server/envoyrls/metadata.go", by: envoy,
		old: "	fields := make(map[string]*structpb.Value, len(a.GetFields())+len(b.GetFields()))\n	maps.Copy(fields, a.GetFields())\n",
		new: "	fields := a.GetFields()\n	if fields == nil {\n		fields = map[string]*structpb.Value{}\n		maps.Copy(fields, b.GetFields())\n	}\n",
	},
}
