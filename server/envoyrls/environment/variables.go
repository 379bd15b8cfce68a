package environment

// Variables returns every variable that upstream reads, and what became of it.
func Variables() []Variable { return variables }

func defaultOf(name string) string {
	for _, v := range variables {
		if v.Name == name {
			return v.Default
		}
	}
	return ""
}

// Why variables do nothing.
const (
	noXDS       = "files are the only source of rules"
	noMemcache  = "Redis is the only store"
	noPerSecond = "all limits share the Redis of REDIS_URL"
	noPool      = "calls share one connection, and no call waits for a free one"
	noStatsd    = "metrics are served for Prometheus"
	noTracing   = "there is no tracing"
)

var variables = []Variable{
	{Name: "HOST", Default: "0.0.0.0", Becomes: "the host of `listen.http`, where `/json` and `/healthcheck` are"},
	{Name: "PORT", Default: "8080", Becomes: "its port"},
	{Name: "DEBUG_HOST", Default: "0.0.0.0", Becomes: "the host of `listen.admin`, where it is a loopback address; else that is 127.0.0.1"},
	{Name: "DEBUG_PORT", Default: "6070", Becomes: "the port of `listen.admin`: `/metrics` and administration. There is no `/rlconfig`, `/stats` or pprof"},
	{Name: "GRPC_HOST", Default: "0.0.0.0", Becomes: "the host of `listen.grpc`"},
	{Name: "GRPC_PORT", Default: "8081", Becomes: "its port"},
	{Name: "GRPC_UDS", Becomes: "`listen.grpc: unix:PATH`"},
	{Name: "GRPC_MAX_CONNECTION_AGE", Default: "24h", Becomes: "the same"},
	{Name: "GRPC_MAX_CONNECTION_AGE_GRACE", Default: "1h", Becomes: "the same"},
	{Name: "GRPC_SERVER_USE_TLS", Default: "false", Becomes: "whether `listen.grpc_tls` is there"},
	{Name: "GRPC_SERVER_TLS_CERT", Becomes: "`listen.grpc_tls.cert_file`"},
	{Name: "GRPC_SERVER_TLS_KEY", Becomes: "`listen.grpc_tls.key_file`"},
	{Name: "GRPC_CLIENT_TLS_CACERT", Becomes: "`listen.grpc_tls.client_ca_file`; the system's authorities are not believed besides"},
	{Name: "GRPC_CLIENT_TLS_SAN", Becomes: "`listen.grpc_tls.client_name`"},
	{Name: "LOG_LEVEL", Default: "WARN", Becomes: "the least level that is logged"},
	{Name: "LOG_FORMAT", Default: "text", Becomes: "`json` logs as JSON, with the names of our fields"},

	{Name: "CONFIG_TYPE", Default: "FILE", Becomes: "`FILE` only; with another the server does not start"},
	{Name: "RUNTIME_ROOT", Default: "/srv/runtime_data/current", Becomes: "the beginning of `envoy.directory`; a link is followed each time"},
	{Name: "RUNTIME_SUBDIRECTORY", Becomes: "its middle"},
	{Name: "RUNTIME_APPDIRECTORY", Default: "config", Becomes: "its end. Every file there is read, whatever its name ends in"},
	{Name: "RUNTIME_IGNOREDOTFILES", Default: "false", Becomes: "always as if it were true"},
	{Name: "RUNTIME_WATCH_ROOT", Default: "true", Becomes: "contents are compared once a second, so that both ways of changing files are seen", Meaningless: true},
	{Name: "MERGE_DOMAIN_CONFIG", Default: "false", Becomes: "`envoy.merge_domains`"},
	{Name: "FORCE_START_WITHOUT_INITIAL_CONFIG", Default: "false", Becomes: "starts although the files have faults; else they keep the server from starting"},
	{Name: "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", Default: "false", Becomes: "not ready while there is no domain"},

	{Name: "BACKEND_TYPE", Default: "redis", Becomes: "`redis` only; with another the server does not start"},
	{Name: "CACHE_KEY_PREFIX", Becomes: "`key_prefix`, where it is set; the keys behind it are ours"},
	{Name: "NEAR_LIMIT_RATIO", Default: "0.8", Becomes: "`envoy.near_limit_ratio`"},
	{Name: "LOCAL_CACHE_SIZE_IN_BYTES", Default: "0", Becomes: "more than 0 is `envoy.deny_cache: true`; that has a bound of its own, and sees a raised limit within a second"},
	{Name: "EXPIRATION_JITTER_MAX_SECONDS", Default: "300", Becomes: "counters end when they mean nothing any more", Meaningless: true},
	{Name: "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", Default: "false", Becomes: "each descriptor is its own check, and a refused one takes nothing; the others are charged", Meaningless: true},
	{Name: "LIMIT_RESPONSE_HEADERS_ENABLED", Default: "false", Becomes: "`envoy.response_headers`"},
	{Name: "LIMIT_LIMIT_HEADER", Default: "RateLimit-Limit", Becomes: "`envoy.limit_header`"},
	{Name: "LIMIT_REMAINING_HEADER", Default: "RateLimit-Remaining", Becomes: "`envoy.remaining_header`"},
	{Name: "LIMIT_RESET_HEADER", Default: "RateLimit-Reset", Becomes: "`envoy.reset_header`"},
	{Name: "SHADOW_MODE", Default: "false", Becomes: "`envoy.shadow_mode`"},
	{Name: "QUOTA_MODE", Default: "false", Becomes: "`envoy.quota_mode`"},
	{Name: "RESPONSE_DYNAMIC_METADATA", Default: "false", Becomes: "`envoy.dynamic_metadata`"},

	{Name: "REDIS_SOCKET_TYPE", Default: "unix", Becomes: "`unix` or `tcp`, the scheme of `store`"},
	{Name: "REDIS_TYPE", Default: "SINGLE", Becomes: "how `REDIS_URL` is read: `single`, `cluster` or `sentinel`"},
	{Name: "REDIS_URL", Default: "/var/run/nutcracker/ratelimit.sock", Becomes: "the addresses of `store`"},
	{Name: "REDIS_AUTH", Becomes: "user and password of `store`"},
	{Name: "REDIS_SENTINEL_AUTH", Becomes: "its `sentinel_username` and `sentinel_password`"},
	{Name: "REDIS_TLS", Default: "false", Becomes: "`rediss://`"},
	{Name: "REDIS_TLS_CLIENT_CERT", Becomes: "its `cert_file`"},
	{Name: "REDIS_TLS_CLIENT_KEY", Becomes: "its `key_file`"},
	{Name: "REDIS_TLS_CACERT", Becomes: "its `ca_file`"},
	{Name: "REDIS_TLS_SKIP_HOSTNAME_VERIFICATION", Default: "false", Becomes: "its `skip_hostname`: the certificate must be of a trusted authority, for any host"},
	{Name: "REDIS_TIMEOUT", Default: "10s", Becomes: "`store_timeout`, at most 10s, where it is set; else that is 100ms"},
	{Name: "REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", Default: "false", Becomes: "`ready_requires_store`"},
	{Name: "REDIS_POOL_SIZE", Default: "10", Becomes: noPool, Meaningless: true},
	{Name: "REDIS_POOL_ON_EMPTY_BEHAVIOR", Default: "WAIT", Becomes: noPool, Meaningless: true},
	{Name: "REDIS_POOL_ON_EMPTY_WAIT_DURATION", Default: "1s", Becomes: noPool, Meaningless: true},
	{Name: "REDIS_PIPELINE_WINDOW", Default: "0", Becomes: "checks that come together share a call without waiting", Meaningless: true},
	{Name: "REDIS_PIPELINE_LIMIT", Default: "0", Becomes: "checks that come together share a call without waiting", Meaningless: true},
	{Name: "REDIS_CLUSTER_PIPELINE_PARALLELISM", Default: "1", Becomes: "all slots of a request are asked at once", Meaningless: true},
	{Name: "REDIS_STARTUP_INITIAL_INTERVAL", Default: "1s", Becomes: "the server starts without Redis and tries once a second", Meaningless: true},
	{Name: "REDIS_STARTUP_MAX_INTERVAL", Default: "30s", Becomes: "the server starts without Redis and tries once a second", Meaningless: true},
	{Name: "REDIS_STARTUP_MAX_ELAPSED_TIME", Default: "0", Becomes: "the server starts without Redis and tries once a second", Meaningless: true},
	{Name: "REDIS_PERSECOND", Default: "false", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_SOCKET_TYPE", Default: "unix", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_TYPE", Default: "SINGLE", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_URL", Default: "/var/run/nutcracker/ratelimitpersecond.sock", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_POOL_SIZE", Default: "10", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_AUTH", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_TLS", Default: "false", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_SENTINEL_AUTH", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_TIMEOUT", Default: "10s", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_POOL_ON_EMPTY_BEHAVIOR", Default: "WAIT", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_POOL_ON_EMPTY_WAIT_DURATION", Default: "1s", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_PIPELINE_WINDOW", Default: "0", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_PIPELINE_LIMIT", Default: "0", Becomes: noPerSecond, Meaningless: true},
	{Name: "REDIS_PERSECOND_CLUSTER_PIPELINE_PARALLELISM", Default: "1", Becomes: noPerSecond, Meaningless: true},

	{Name: "USE_PROMETHEUS", Default: "false", Becomes: "serves `/metrics` at `PROMETHEUS_ADDR` too; they are at `listen.admin` always"},
	{Name: "PROMETHEUS_ADDR", Default: ":9090", Becomes: "the address of that"},
	{Name: "PROMETHEUS_PATH", Default: "/metrics", Becomes: "its path"},
	{Name: "PROMETHEUS_MAPPER_YAML", Becomes: "metrics have [names of ours](#metrics)", Meaningless: true},
	{Name: "PROMETHEUS_RESPONSE_TIME_AS_MILLISECONDS", Default: "false", Becomes: "metrics have [names of ours](#metrics)", Meaningless: true},
	{Name: "USE_STATSD", Default: "true", Becomes: noStatsd, Meaningless: true},
	{Name: "STATSD_HOST", Default: "localhost", Becomes: noStatsd, Meaningless: true},
	{Name: "STATSD_PORT", Default: "8125", Becomes: noStatsd, Meaningless: true},
	{Name: "USE_DOG_STATSD", Default: "false", Becomes: noStatsd, Meaningless: true},
	{Name: "USE_DOG_STATSD_MOGRIFIERS", Becomes: noStatsd, Meaningless: true},
	{Name: "STATS_FLUSH_INTERVAL", Default: "10s", Becomes: noStatsd, Meaningless: true},
	{Name: "EXTRA_TAGS", Becomes: noStatsd + "; a scrape can add labels", Meaningless: true},
	{Name: "DISABLE_STATS", Default: "false", Becomes: "metrics are served for whoever asks", Meaningless: true},

	{Name: "CONFIG_GRPC_XDS_NODE_ID", Default: "default", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_NODE_METADATA", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_SERVER_URL", Default: "localhost:18000", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL", Default: "3s", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_SERVER_USE_TLS", Default: "false", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_CLIENT_TLS_CERT", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_CLIENT_TLS_KEY", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_SERVER_TLS_CACERT", Becomes: noXDS, Meaningless: true},
	{Name: "CONFIG_GRPC_XDS_SERVER_TLS_SAN", Becomes: noXDS, Meaningless: true},
	{Name: "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", Default: "10s", Becomes: noXDS, Meaningless: true},
	{Name: "XDS_CLIENT_BACKOFF_MAX_INTERVAL", Default: "60s", Becomes: noXDS, Meaningless: true},
	{Name: "XDS_CLIENT_BACKOFF_RANDOM_FACTOR", Default: "0.5", Becomes: noXDS, Meaningless: true},
	{Name: "XDS_CLIENT_BACKOFF_JITTER", Default: "true", Becomes: noXDS, Meaningless: true},
	{Name: "XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", Becomes: noXDS, Meaningless: true},

	{Name: "MEMCACHE_HOST_PORT", Becomes: noMemcache, Meaningless: true},
	{Name: "MEMCACHE_SRV", Becomes: noMemcache, Meaningless: true},
	{Name: "MEMCACHE_SRV_REFRESH", Default: "0", Becomes: noMemcache, Meaningless: true},
	{Name: "MEMCACHE_MAX_IDLE_CONNS", Default: "2", Becomes: noMemcache, Meaningless: true},
	{Name: "MEMCACHE_TLS", Default: "false", Becomes: noMemcache, Meaningless: true},
	{Name: "MEMCACHE_TLS_CLIENT_CERT", Becomes: noMemcache, Meaningless: true},
	{Name: "MEMCACHE_TLS_CLIENT_KEY", Becomes: noMemcache, Meaningless: true},
	{Name: "MEMCACHE_TLS_CACERT", Becomes: noMemcache, Meaningless: true},
	{Name: "MEMCACHE_TLS_SKIP_HOSTNAME_VERIFICATION", Default: "false", Becomes: noMemcache, Meaningless: true},

	{Name: "TRACING_ENABLED", Default: "false", Becomes: noTracing, Meaningless: true},
	{Name: "TRACING_SERVICE_NAME", Default: "RateLimit", Becomes: noTracing, Meaningless: true},
	{Name: "TRACING_SERVICE_NAMESPACE", Becomes: noTracing, Meaningless: true},
	{Name: "TRACING_SERVICE_INSTANCE_ID", Becomes: noTracing, Meaningless: true},
	{Name: "TRACING_EXPORTER_PROTOCOL", Default: "http", Becomes: noTracing, Meaningless: true},
	{Name: "TRACING_SAMPLING_RATE", Default: "1", Becomes: noTracing, Meaningless: true},
}
