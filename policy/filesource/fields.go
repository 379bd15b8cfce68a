package filesource

import (
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// Field describes one field of the file.
type Field struct {
	// Path leads to it, such as "listen.http"; NAME in it stands for any name.
	Path string
	// Type says what it is, in words.
	Type string
	// Default is what it is where the file does not give it, as YAML; empty where that is nothing.
	Default string
	// Doc says what it does, in one or two sentences.
	Doc string
}

// Fields returns every field that a file can have, in the order in which they should be documented: a mapping, then
// what is in it.
func Fields() []Field { return rows(fileSettings) }

func rows[S any](settings []setting[S]) (all []Field) {
	for _, s := range settings {
		all = append(append(all, s.Field), s.under...)
	}
	return all
}

// The tables of settings are all that the reader knows: a field that is not here cannot be read, and its default here is
// the one that holds.

var fileSettings = []setting[File]{
	{
		Field: Field{"listen", "mapping", "", "Where the server listens."},
		under: rows(listenSettings),
		read:  readListen,
	},
	{
		Field: Field{
			"store", "memory or URL", "memory",
			"Where the counters are: memory is the embedded store of this process; redis://, rediss:// (TLS) or unix:// is a Redis or Valkey that servers share.",
		},
		read: scalar(parseStore, func(f *File) *string { return &f.Store }),
	},
	{
		Field: Field{"store_timeout", "duration, 1ms to 10s", "100ms", "How long the store may take to answer; then the policy's on_error decides."},
		read:  scalar(parseTimeout, func(f *File) *time.Duration { return &f.StoreTimeout }),
	},
	{
		Field: Field{"store_max_keys", "whole number, 1 to 1000000000", "1000000", "The greatest number of keys that the embedded store holds. It does not apply to Redis."},
		read:  scalar(parseMaxKeys, func(f *File) *int { return &f.StoreMaxKeys }),
	},
	{
		Field: Field{"key_prefix", "text, 1 to 64 printable characters without spaces and braces", `"sluice:"`, "What every key in Redis begins with."},
		read:  scalar(parseKeyPrefix, func(f *File) *string { return &f.KeyPrefix }),
	},
	{
		Field: Field{"hash_keys", "true or false", "false", "Whether a digest is stored in Redis in place of every key, for keys that must not be read there."},
		read:  scalar(parseBool, func(f *File) *bool { return &f.HashKeys }),
	},
	{
		Field: Field{
			"trusted_proxies", "list of networks", "[]",
			"The networks of the proxies whose word about the client's address is taken, such as 10.0.0.0/8. Nobody else's is.",
		},
		read: readProxies,
	},
	{
		Field: Field{"allow_inline_limits", "true or false", "false", "Whether a caller may bring limits of its own along with a check."},
		read:  scalar(parseBool, func(f *File) *bool { return &f.AllowInlineLimits }),
	},
	{
		Field: Field{
			"ready_requires_store", "true or false", "false",
			"Whether /readyz fails while the store does not answer. It takes all servers out of service at once when Redis fails, and on_error never decides.",
		},
		read: scalar(parseBool, func(f *File) *bool { return &f.ReadyRequiresStore }),
	},
	{
		Field: Field{"policies", "mapping of names to policies", "{}", "Who is limited by what. A name is a letter or digit, then up to 62 of a-z, 0-9, '.', '_' and '-'."},
		under: slices.Insert(rows(policySettings), 0, Field{"policies.NAME", "mapping", "", "One policy."}),
		read:  readPolicies,
	},
}

var listenSettings = []setting[Listen]{
	{
		Field: Field{"listen.http", "HOST:PORT", "127.0.0.1:8080", "The address of the HTTP door."},
		read:  scalar(parseAddress, func(l *Listen) *string { return &l.HTTP }),
	},
	{
		Field: Field{"listen.admin", "HOST:PORT", "", "The address of administration and metrics, where it should be apart from the HTTP door."},
		read:  scalar(parseAddress, func(l *Listen) *string { return &l.Admin }),
	},
}

var policySettings = []setting[draft]{
	{
		Field: Field{
			"policies.NAME.key", "ip, header:NAME, cookie:NAME, path, method, or a list of up to 8 of them", "[]",
			"What of a request tells who is limited, for /v1/authorize. Without it the policy is for callers who bring a key.",
		},
		read: readKey,
	},
	{
		Field: Field{"policies.NAME.missing", "refuse or allow", "refuse", "What becomes of a request that lacks a part of the key: allow lets it through without a check."},
		read:  scalar(oneOf(policy.MissingRefuse, policy.MissingAllow), func(d *draft) *policy.Missing { return &d.Missing }),
	},
	{
		Field: Field{
			"policies.NAME.limits", "mapping of names to limits, or list of limits, 1 to 8", "",
			"The limits that must all allow. Each is COUNT/PERIOD [burst N] [ALGORITHM [aligned]]. In a list, a limit's name is its period. Required.",
		},
		read: readLimits,
	},
	{
		Field: Field{"policies.NAME.on_error", "allow or deny", "allow", "What a check is answered when the store does not answer."},
		read:  scalar(parseOnError, func(d *draft) *sluice.ErrorPolicy { return &d.OnError }),
	},
	{
		Field: Field{"policies.NAME.shadow", "true or false", "false", "Whether the policy decides and counts but refuses nobody."},
		read:  scalar(parseBool, func(d *draft) *bool { return &d.Shadow }),
	},
}

// laterField is a field that this version knows of and cannot do.
type laterField struct {
	name string
	what string // the beginning of a sentence that goes on "not in this version"
	same string // the value that asks for nothing, if there is one
}

var laterSettings = []laterField{
	{"schedules", "schedules are", ""},
	{"envoy", "Envoy's rate limit files are", ""},
	{"admin", "tokens are", ""},
}

var laterListen = []laterField{
	{"grpc", "the gRPC door is", ""},
	{"resp", "the RESP door is", ""},
}

var laterPolicy = []laterField{
	{"block", "penalties are", ""},
	{"lease", "leases are", ""},
	{"overrides", "overrides are", ""},
	{"deny_cache", "the deny cache is", "false"},
}

func (l laterField) read(r *reader, v value) {
	if s, ok := v.node.(ast.ScalarNode); ok && l.same != "" && s.GetToken().Value == l.same {
		return
	}
	hint := "take the field out"
	if l.same != "" {
		hint += " or write " + l.same
	}
	r.fault(v.name, v.path, "%s not in this version; %s", l.what, hint)
}
