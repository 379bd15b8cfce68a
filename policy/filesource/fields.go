package filesource

import (
	"slices"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
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
		Field: Field{"store_max_keys", "whole number, 1 to 1000000000", "1000000", "The greatest number of keys that the embedded store holds; beside a Redis, that this server decides by its share under on_error: local."},
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
	{
		Field: Field{"schedules", "mapping of names to schedules", "{}", "What changes by itself, and when. A name is spelled like that of a policy."},
		under: slices.Insert(rows(scheduleSettings), 0, Field{"schedules.NAME", "mapping", "", "One schedule: when, and one job."}),
		read:  readSchedules,
	},
	{
		Field: Field{"envoy", "mapping", "", "What is answered to Envoy, as its rate limit service."},
		under: rows(envoySettings),
		read:  func(r *reader, v value, f *File) { fields(r, v, envoySettings, &f.Envoy) },
	},
	{
		Field: Field{"admin", "mapping", "", "Who may administer, and look."},
		under: rows(adminSettings),
		read:  func(r *reader, v value, f *File) { fields(r, v, adminSettings, &f.Admin) },
	},
}

var adminSettings = []setting[Admin]{
	{
		Field: Field{
			"admin.tokens_file", "path", "",
			"The file of the tokens, a line for each: its name, its role, which is check, read or admin, and its SHA-256. It is read again when it changes. " +
				"Without it administration is for this machine, or for who has a certificate.",
		},
		read: scalar(asText, func(a *Admin) *string { return &a.TokensFile }),
	},
	{
		Field: Field{"admin.checks_require_token", "true or false", "false", "Whether checks need a token, too, with the role check, or a certificate."},
		read:  scalar(parseBool, func(a *Admin) *bool { return &a.ChecksRequireToken }),
	},
}

var listenSettings = []setting[Listen]{
	{
		Field: Field{"listen.http", "HOST:PORT", "127.0.0.1:8080", "The address of the HTTP door."},
		read:  scalar(parseAddress, func(l *Listen) *string { return &l.HTTP }),
	},
	{
		Field: Field{"listen.http_tls", "mapping", "", "The TLS of the HTTP door, which then speaks nothing else. Without it there is none."},
		under: rows(httpTLS),
		read:  func(r *reader, v value, l *Listen) { fields(r, v, httpTLS, &l.HTTPTLS) },
	},
	{
		Field: Field{"listen.admin", "HOST:PORT", "", "The address of administration and metrics, where it should be apart from the HTTP door."},
		read:  scalar(parseAddress, func(l *Listen) *string { return &l.Admin }),
	},
	{
		Field: Field{"listen.admin_tls", "mapping", "", "The TLS of that address. Who has a certificate of one of its authorities is an administrator there."},
		under: rows(adminTLS),
		read:  func(r *reader, v value, l *Listen) { fields(r, v, adminTLS, &l.AdminTLS) },
	},
	{
		Field: Field{"listen.grpc", "HOST:PORT, or unix:PATH", "127.0.0.1:8081", "The address of the gRPC door, which is open where envoy.directory is given."},
		read:  scalar(parseSocket, func(l *Listen) *string { return &l.GRPC }),
	},
	{
		Field: Field{"listen.grpc_tls", "mapping", "", "The TLS of the gRPC door. Without it there is none."},
		under: rows(grpcTLS),
		read:  func(r *reader, v value, l *Listen) { fields(r, v, grpcTLS, &l.GRPCTLS) },
	},
	{
		Field: Field{
			"listen.resp", "HOST:PORT, or off", "",
			"The address of the door for clients of Redis. Without it that is 127.0.0.1:7379 where listen.http has its default, and else the door is shut.",
		},
		read: scalar(parseRESP, func(l *Listen) *string { return &l.RESP }),
	},
	{
		Field: Field{"listen.resp_password", "text, 1 to 512 bytes", "", "What clients of Redis give as their password. Without it they need none."},
		read:  scalar(parsePassword, func(l *Listen) *string { return &l.RESPPassword }),
	},
	{
		Field: Field{"listen.resp_tls", "mapping", "", "The TLS of the door for clients of Redis, which then speaks nothing else. Without it there is none."},
		under: rows(respTLS),
		read:  func(r *reader, v value, l *Listen) { fields(r, v, respTLS, &l.RESPTLS) },
	},
	{
		Field: Field{"listen.max_connections", "whole number, 1 to 1000000", "10000", "How many connections each of the addresses takes at once."},
		read:  scalar(parseConnections, func(l *Listen) *int { return &l.MaxConnections }),
	},
	{
		Field: Field{"listen.idle_time", "duration, 1s to 366d", "10m", "How long a connection may be open on which nothing happens."},
		read:  scalar(parseIdle, func(l *Listen) *time.Duration { return &l.IdleTime }),
	},
}

var (
	httpTLS  = tlsSettings("listen.http_tls.")
	adminTLS = tlsSettings("listen.admin_tls.")
	grpcTLS  = tlsSettings("listen.grpc_tls.")
	respTLS  = tlsSettings("listen.resp_tls.")
)

// tlsSettings are those of one door, by where they stand.
func tlsSettings(place string) []setting[TLS] {
	return []setting[TLS]{
		{
			Field: Field{place + "cert_file", "path", "", "The file of the certificates, in PEM form. It is read again when it changes."},
			read:  scalar(asText, func(t *TLS) *string { return &t.CertFile }),
		},
		{
			Field: Field{place + "key_file", "path", "", "The file of the key, in PEM form."},
			read:  scalar(asText, func(t *TLS) *string { return &t.KeyFile }),
		},
		{
			Field: Field{place + "client_ca_file", "path", "", "The file of the authorities of whom clients must have a certificate. Without it they need none."},
			read:  scalar(asText, func(t *TLS) *string { return &t.ClientCAFile }),
		},
		{
			Field: Field{place + "client_name", "text", "", "The DNS name that a client's certificate must have. Without it any will do."},
			read:  scalar(asText, func(t *TLS) *string { return &t.ClientName }),
		},
	}
}

var envoySettings = []setting[Envoy]{
	{
		Field: Field{
			"envoy.directory", "path", "",
			"The directory of the rate limit files, in envoyproxy/ratelimit's own format. It is read again when they change. Without it Envoy is not answered.",
		},
		read: scalar(asText, func(e *Envoy) *string { return &e.Directory }),
	},
	{
		Field: Field{"envoy.merge_domains", "true or false", "false", "Whether several files may have one domain, whose descriptors are joined."},
		read:  scalar(parseBool, func(e *Envoy) *bool { return &e.MergeDomains }),
	},
	{
		Field: Field{"envoy.on_error", "allow, deny or local", "allow", "What a descriptor is answered when the store does not answer: local decides by this server's share of the limits."},
		read:  scalar(parseOnError, func(e *Envoy) *sluice.ErrorPolicy { return &e.OnError }),
	},
	{
		Field: Field{
			"envoy.deny_cache", "true or false", "false",
			"Whether a server remembers for up to a second that a descriptor is over its limit, and answers from memory. It does nothing where the store is memory.",
		},
		read: scalar(parseBool, func(e *Envoy) *bool { return &e.DenyCache }),
	},
	{
		Field: Field{"envoy.near_limit_ratio", "number, more than 0 and at most 1", "0.8", "The part of a limit beyond which a hit is counted as near the limit."},
		read:  scalar(parseRatio, func(e *Envoy) *float64 { return &e.NearLimitRatio }),
	},
	{
		Field: Field{"envoy.shadow_mode", "true or false", "false", "Whether the overall code is OK, whatever the descriptors are answered."},
		read:  scalar(parseBool, func(e *Envoy) *bool { return &e.ShadowMode }),
	},
	{
		Field: Field{"envoy.quota_mode", "true or false", "false", "Whether every rule is a quota: a request is refused only where all of them are used up."},
		read:  scalar(parseBool, func(e *Envoy) *bool { return &e.QuotaMode }),
	},
	{
		Field: Field{"envoy.dynamic_metadata", "true or false", "false", "Whether an answer has the request and the metadata of the rules that let it through as dynamic metadata."},
		read:  scalar(parseBool, func(e *Envoy) *bool { return &e.DynamicMetadata }),
	},
	{
		Field: Field{"envoy.response_headers", "true or false", "false", "Whether an answer has header fields that tell the client of the limit that is closest."},
		read:  scalar(parseBool, func(e *Envoy) *bool { return &e.ResponseHeaders }),
	},
	{
		Field: Field{"envoy.limit_header", "name of a header field", "RateLimit-Limit", "The field that says how many requests the limit allows."},
		read:  scalar(parseHeader, func(e *Envoy) *string { return &e.LimitHeader }),
	},
	{
		Field: Field{"envoy.remaining_header", "name of a header field", "RateLimit-Remaining", "The field that says how many of them remain."},
		read:  scalar(parseHeader, func(e *Envoy) *string { return &e.RemainingHeader }),
	},
	{
		Field: Field{"envoy.reset_header", "name of a header field", "RateLimit-Reset", "The field that says in how many seconds the limit is whole again."},
		read:  scalar(parseHeader, func(e *Envoy) *string { return &e.ResetHeader }),
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
			"The limits that must all allow. Each is COUNT/PERIOD [burst N] [ALGORITHM [aligned]] or COUNT/UNIT calendar ZONE [from DAY]. In a list, a limit's name is its period. Required.",
		},
		read: readLimits,
	},
	{
		Field: Field{"policies.NAME.on_error", "allow, deny or local", "allow", "What a check is answered when the store does not answer: local decides by this server's share of the limits."},
		read:  scalar(parseOnError, func(d *draft) *sluice.ErrorPolicy { return &d.OnError }),
	},
	{
		Field: Field{"policies.NAME.shadow", "true or false", "false", "Whether the policy decides and counts but refuses nobody."},
		read:  scalar(parseBool, func(d *draft) *bool { return &d.Shadow }),
	},
	{
		Field: Field{"policies.NAME.block", "mapping", "", "The penalty that bars a key which is refused too often. Without it none is barred."},
		under: rows(blockSettings),
		read:  readBlock,
	},
	{
		Field: Field{
			"policies.NAME.deny_cache", "true or false", "false",
			"Whether a server remembers for up to a second that a key is refused, and answers from memory. It does nothing where the store is memory.",
		},
		read: scalar(parseBool, func(d *draft) *bool { return &d.DenyCache }),
	},
	{
		Field: Field{
			"policies.NAME.lease", "mapping", "",
			"Lets a server take units of a key ahead, to answer without asking Redis. Without it none are. It does nothing where the store is memory.",
		},
		under: rows(leaseSettings),
		read:  readLease,
	},
	{
		Field: Field{
			"policies.NAME.overrides", "mapping of keys to overrides, up to 10000", "{}",
			"Other limits for some keys. A name is a key, or the beginning of keys and *. The key itself beats the longest beginning, that beats the policy.",
		},
		under: slices.Insert(rows(overrideSettings), 0, Field{"policies.NAME.overrides.NAME", "mapping", "", "One override."}),
		read:  readOverrides,
	},
}

var blockSettings = []setting[draft]{
	{
		Field: Field{"policies.NAME.block.after", "whole number, 1 to 4294967295", "", "How many refusals begin a block. Required."},
		read:  penaltyField("after", parseWhole, func(p *sluice.Penalty) *int64 { return &p.After }),
	},
	{
		Field: Field{"policies.NAME.block.within", "duration, 1ms to 366d", "", "The span in which they lie. Required."},
		read:  penaltyField("within", parseDuration, func(p *sluice.Penalty) *time.Duration { return &p.Within }),
	},
	{
		Field: Field{"policies.NAME.block.for", "duration, 1ms to 366d", "", "How long the first block lasts. Each later one lasts twice as long as the one before. Required."},
		read:  penaltyField("for", parseDuration, func(p *sluice.Penalty) *time.Duration { return &p.For }),
	},
	{
		Field: Field{
			"policies.NAME.block.max", "duration, 1ms to 366d", "",
			"The longest block. So long after the end of a block the next is a first one again. Without it every block lasts as long as the first.",
		},
		read: penaltyField("max", parsePositive, func(p *sluice.Penalty) *time.Duration { return &p.Max }),
	},
}

var leaseSettings = []setting[draft]{
	{
		Field: Field{"policies.NAME.lease.share", "percentage, 1% to 100%", "10%", "The most that all servers together hold of one key, of what each limit holds."},
		read:  leaseField("share", parseShare, func(l *sluice.Lease) *int { return &l.Share }),
	},
	{
		Field: Field{"policies.NAME.lease.ttl", "duration, 10ms to 1m", "1s", "How long units are taken ahead at the longest."},
		read:  leaseField("ttl", parseDuration, func(l *sluice.Lease) *time.Duration { return &l.TTL }),
	},
}

var overrideSettings = []setting[overrideDraft]{
	{
		Field: Field{
			"policies.NAME.overrides.NAME.limits", "mapping of names to limits, or list of limits, 1 to 8", "",
			"The limits of these keys, in the place of all that the policy has. Required.",
		},
		read: readOverrideLimits,
	},
	{
		Field: Field{
			"policies.NAME.overrides.NAME.until", "date, time and zone, as in 2027-01-01T00:00:00Z", "",
			"When the policy's own limits hold again. Without it the override is for good. One that has ended is ignored.",
		},
		read: readUntil,
	},
}

var scheduleSettings = []setting[scheduleDraft]{
	{
		Field: Field{
			"schedules.NAME.cron", "cron expression of five fields, @hourly and its like, or @every DURATION", "",
			"When. @every is counted from the Unix epoch. Required.",
		},
		read: scheduleField("cron", asText, func(s *schedule.Schedule) *string { return &s.Cron }),
	},
	{
		Field: Field{"schedules.NAME.timezone", "name of an IANA time zone", "UTC", "The time zone of the cron expression, such as Europe/Berlin."},
		read:  scheduleField("timezone", asText, func(s *schedule.Schedule) *string { return &s.Timezone }),
	},
	{
		Field: Field{
			"schedules.NAME.missed", "latest, all or skip", "latest",
			"What becomes of times at which no server was running: the last is made up for, all are (at most 1000), or none is.",
		},
		read: scheduleField("missed", parseMissed, func(s *schedule.Schedule) *schedule.Missed { return &s.Missed }),
	},
	{
		Field: Field{"schedules.NAME.reset", "mapping", "", "Forgets what all keys of a policy have used."},
		under: rows(resetSettings),
		read:  readJob("reset", resetSettings, func(j *schedule.Job) **schedule.Reset { return &j.Reset }),
	},
	{
		Field: Field{"schedules.NAME.set", "mapping", "", "Gives a policy other limits."},
		under: rows(setSettings),
		read:  readJob("set", setSettings, func(j *schedule.Job) **schedule.Set { return &j.Set }),
	},
	{
		Field: Field{"schedules.NAME.adjust", "mapping", "", "Moves the count of one limit, and not its burst."},
		under: rows(adjustSettings),
		read:  readJob("adjust", adjustSettings, func(j *schedule.Job) **schedule.Adjust { return &j.Adjust }),
	},
	{
		Field: Field{"schedules.NAME.override", "mapping", "", "Gives one key limits of its own."},
		under: rows(jobOverrideSettings),
		read:  readJob("override", jobOverrideSettings, func(j *schedule.Job) **schedule.Override { return &j.Override }),
	},
	{
		Field: Field{"schedules.NAME.block", "mapping", "", "Bars one key."},
		under: rows(jobBlockSettings),
		read:  readJob("block", jobBlockSettings, func(j *schedule.Job) **schedule.Block { return &j.Block }),
	},
}

// jobPolicy is the field that every job has.
func jobPolicy(kind string, into func(*schedule.Job) *string) setting[scheduleDraft] {
	return setting[scheduleDraft]{
		Field: Field{"schedules.NAME." + kind + ".policy", "name of a policy of the file", "", "The policy. Required."},
		read:  jobField(kind+".policy", asText, into),
	}
}

// jobKey is the field of a job that is about one key.
func jobKey(kind string, into func(*schedule.Job) *string) setting[scheduleDraft] {
	return setting[scheduleDraft]{
		Field: Field{"schedules.NAME." + kind + ".key", "text, 1 to 4096 bytes", "", "The key. Required."},
		read:  jobField(kind+".key", asText, into),
	}
}

var resetSettings = []setting[scheduleDraft]{jobPolicy("reset", func(j *schedule.Job) *string { return &j.Reset.Policy })}

var setSettings = []setting[scheduleDraft]{
	jobPolicy("set", func(j *schedule.Job) *string { return &j.Set.Policy }),
	{
		Field: Field{
			"schedules.NAME.set.limits", "mapping of names to limits, or list of limits, 1 to 8", "",
			"The limits, in the place of all that the policy has. Required.",
		},
		read: jobLimits("set.limits", func(j *schedule.Job) *[]sluice.Limit { return &j.Set.Limits }),
	},
}

var adjustSettings = []setting[scheduleDraft]{
	jobPolicy("adjust", func(j *schedule.Job) *string { return &j.Adjust.Policy }),
	{
		Field: Field{"schedules.NAME.adjust.limit", "name of a limit of the policy", "", "The limit. Required."},
		read:  jobField("adjust.limit", asText, func(j *schedule.Job) *string { return &j.Adjust.Limit }),
	},
	{
		Field: Field{"schedules.NAME.adjust.by", "whole number, such as +1 or -10", "", "How far the count is moved. Required."},
		read:  jobField("adjust.by", parseWhole, func(j *schedule.Job) *int64 { return &j.Adjust.By }),
	},
	{
		Field: Field{"schedules.NAME.adjust.min", "whole number, 1 to 4294967295", "", "The least count that it is moved to. Without it, 1."},
		read:  jobField("adjust.min", parseBound, func(j *schedule.Job) *int64 { return &j.Adjust.Min }),
	},
	{
		Field: Field{"schedules.NAME.adjust.max", "whole number, min to 4294967295", "", "The greatest count that it is moved to. Without it, 4294967295."},
		read:  jobField("adjust.max", parseBound, func(j *schedule.Job) *int64 { return &j.Adjust.Max }),
	},
}

var jobOverrideSettings = []setting[scheduleDraft]{
	jobPolicy("override", func(j *schedule.Job) *string { return &j.Override.Policy }),
	jobKey("override", func(j *schedule.Job) *string { return &j.Override.Key }),
	{
		Field: Field{
			"schedules.NAME.override.limits", "mapping of names to limits, or list of limits, 1 to 8", "",
			"The limits of the key, in the place of all that the policy has. Required.",
		},
		read: jobLimits("override.limits", func(j *schedule.Job) *[]sluice.Limit { return &j.Override.Limits }),
	},
	{
		Field: Field{"schedules.NAME.override.for", "duration, 1ms to 366d", "", "How long from then on. Without it, for good."},
		read:  jobField("override.for", parsePositive, func(j *schedule.Job) *time.Duration { return &j.Override.For }),
	},
}

var jobBlockSettings = []setting[scheduleDraft]{
	jobPolicy("block", func(j *schedule.Job) *string { return &j.Block.Policy }),
	jobKey("block", func(j *schedule.Job) *string { return &j.Block.Key }),
	{
		Field: Field{"schedules.NAME.block.for", "duration, 1ms to 366d", "", "How long from then on. Required."},
		read:  jobField("block.for", parsePositive, func(j *schedule.Job) *time.Duration { return &j.Block.For }),
	},
	{
		Field: Field{"schedules.NAME.block.reason", "text, up to 200 bytes", "", "Why, for those who look at the block."},
		read:  jobField("block.reason", asText, func(j *schedule.Job) *string { return &j.Block.Reason }),
	},
}
