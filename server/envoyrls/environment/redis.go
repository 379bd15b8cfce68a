package environment

import (
	"net/url"
	"strings"
	"time"
)

// redis makes the URL of the store of the variables about Redis.
func (r *reader) redis() {
	file := r.settings.File
	if kind := r.text("BACKEND_TYPE"); kind != "redis" {
		r.fault("BACKEND_TYPE", "it is %.64q; only redis is a store here", kind)
	}
	if prefix := r.env("CACHE_KEY_PREFIX"); prefix != "" {
		file.KeyPrefix = prefix
	}
	strange := func(c rune) bool { return c <= ' ' || c > '~' || c == '{' || c == '}' }
	if len(file.KeyPrefix) > 64 || strings.ContainsFunc(file.KeyPrefix, strange) {
		r.fault("CACHE_KEY_PREFIX", "it is %.64q; it must be at most 64 printable characters without spaces and braces", file.KeyPrefix)
	}
	if r.env("REDIS_TIMEOUT") != "" {
		file.StoreTimeout = min(max(r.duration("REDIS_TIMEOUT"), time.Millisecond), 10*time.Second)
	}
	file.ReadyRequiresStore = r.yes("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION")
	faults := len(r.faults)
	file.Store = r.storeURL().String()
	if u, err := url.Parse(file.Store); len(r.faults) == faults && (err != nil || u.Host == "" && !strings.HasPrefix(u.Path, "/")) {
		r.fault("REDIS_URL", "it must be the absolute path of a socket or, with REDIS_SOCKET_TYPE tcp, HOST:PORT") // which may hold a password
	}
}

func (r *reader) storeURL() *url.URL {
	parts := strings.Split(r.text("REDIS_URL"), ",")
	parameters := url.Values{}
	u := &url.URL{Scheme: "redis"}
	switch kind := strings.ToLower(r.text("REDIS_TYPE")); kind {
	case "single", "cluster":
	case "sentinel":
		if len(parts) < 2 {
			r.fault("REDIS_URL", "it must be the name of the master and then the addresses of the sentinels, with commas")
			return u
		}
		parameters.Set("master_set", parts[0])
		parts = parts[1:]
		if user, password := credentials(r.env("REDIS_SENTINEL_AUTH")); password != "" {
			parameters.Set("sentinel_password", password)
			if user != "" {
				parameters.Set("sentinel_username", user)
			}
		}
	default:
		r.fault("REDIS_TYPE", "it is %.64q; it must be single, cluster or sentinel", kind)
	}
	for i, part := range parts {
		address, user, database := strip(part)
		switch {
		case i > 0:
			parameters.Add("addr", address)
			continue
		case r.text("REDIS_SOCKET_TYPE") == "unix" && !strings.Contains(part, "://"):
			u.Scheme, u.Path = "unix", address
		default:
			u.Host, u.Path = address, database
		}
		u.User = user
	}
	if user, password := credentials(r.env("REDIS_AUTH")); password != "" {
		u.User = url.UserPassword(user, password)
	}
	if r.yes("REDIS_TLS") {
		if u.Scheme == "unix" {
			r.fault("REDIS_TLS", "a unix socket has no TLS; set REDIS_SOCKET_TYPE to tcp")
		}
		u.Scheme = "rediss"
		for name, parameter := range map[string]string{
			"REDIS_TLS_CLIENT_CERT": "cert_file", "REDIS_TLS_CLIENT_KEY": "key_file", "REDIS_TLS_CACERT": "ca_file",
		} {
			if path := r.env(name); path != "" {
				parameters.Set(parameter, path)
			}
		}
		if r.yes("REDIS_TLS_SKIP_HOSTNAME_VERIFICATION") {
			parameters.Set("skip_hostname", "true")
		}
	}
	u.RawQuery = parameters.Encode()
	return u
}

// strip returns the address of a part of REDIS_URL, which may be a URL with a user and a database.
func strip(part string) (address string, user *url.Userinfo, database string) {
	part = strings.TrimSpace(part)
	if !strings.Contains(part, "://") {
		return part, nil, ""
	}
	u, err := url.Parse(part)
	if err != nil {
		return "", nil, ""
	}
	return u.Host, u.User, u.Path
}

// credentials reads "password" or "user:password".
func credentials(text string) (user, password string) {
	user, password, both := strings.Cut(text, ":")
	if !both {
		return "", user
	}
	return user, password
}
