// Package filesource reads the configuration file: YAML, strictly, with all faults reported at once, each with its
// place and with what would be right.
//
// It applies nothing: what a changed setting means is its caller's business. It takes of YAML what a configuration
// needs: one document of mappings, lists and plain values, and no anchors, aliases, merge keys, tags or directives, so
// that a small file is never a large one. It imports the core package, packages policy and schedule, and a YAML
// parser.
package filesource

import (
	"net/netip"
	"path/filepath"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/watch"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
)

// File is what a configuration file says. What it leaves out holds its default, see [Fields].
type File struct {
	// Listen is where the server listens.
	Listen Listen
	// Store is "memory" or the URL of a Redis. It may hold a password: it must not be logged.
	Store string
	// StoreTimeout is how long the store may take to answer, 1 ms to 10 s.
	StoreTimeout time.Duration
	// StoreMaxKeys is the greatest number of keys that the embedded store holds, at least 1.
	StoreMaxKeys int
	// KeyPrefix begins every key in Redis.
	KeyPrefix string
	// HashKeys stores a digest in Redis in place of every key.
	HashKeys bool
	// TrustedProxies are the networks of the proxies whose word about the client's address is taken.
	TrustedProxies []netip.Prefix
	// AllowInlineLimits lets callers bring their own limits.
	AllowInlineLimits bool
	// ReadyRequiresStore makes the server not ready while the store does not answer.
	ReadyRequiresStore bool
	// Policies are valid and have different names, in the order of the file.
	Policies []policy.Policy
	// Schedules are valid, have different names, and are about policies of the file, in the order of the file.
	Schedules []schedule.Schedule
	// Envoy is what is answered to Envoy.
	Envoy Envoy
	// Admin is who may administer.
	Admin Admin
}

// Admin says who may administer.
type Admin struct {
	// TokensFile is the path of the tokens; empty where there are none.
	TokensFile string
	// ChecksRequireToken has checks, too, need a token.
	ChecksRequireToken bool
}

// Listen is the addresses of the server, each HOST:PORT, and what goes with them.
type Listen struct {
	// HTTP is the address of the HTTP door.
	HTTP string
	// HTTPTLS is the TLS of the HTTP door.
	HTTPTLS TLS
	// Admin is the address of administration; empty where the HTTP door has it too.
	Admin string
	// AdminTLS is the TLS of that address.
	AdminTLS TLS
	// GRPC is the address of the gRPC door, which may be unix:PATH. It is open where [Envoy] has a directory.
	GRPC string
	// GRPCTLS is the TLS of the gRPC door.
	GRPCTLS TLS
	// RESP is the address of the door for clients of Redis, or [Off]; empty where it is not given.
	RESP string
	// RESPPassword is what its clients must give; empty where they need not. It must not be logged.
	RESPPassword string
	// RESPTLS is the TLS of the door for clients of Redis.
	RESPTLS TLS
	// MaxConnections is how many connections each address takes at once, at least 1.
	MaxConnections int
	// IdleTime is how long a connection may be open on which nothing happens, at least 1 s.
	IdleTime time.Duration
}

// TLS is how a door proves who it is, and wants its clients to.
type TLS struct {
	// CertFile and KeyFile are the paths of the certificates and of the key, in PEM form; empty where there is no TLS.
	CertFile, KeyFile string
	// ClientCAFile is the path of the authorities of whom clients must have a certificate; empty where they need none.
	ClientCAFile string
	// ClientName is the DNS name that the certificate of a client must have; empty where any will do.
	ClientName string
}

// Envoy is what the door for Envoy is told.
type Envoy struct {
	// Directory is where the rate limit files are; empty where there is no such door.
	Directory string
	// MergeDomains joins the files of one domain.
	MergeDomains bool
	// OnError says what a descriptor is answered when the store does not answer.
	OnError sluice.ErrorPolicy
	// DenyCache answers from memory, for up to a second, what was refused.
	DenyCache bool
	// NearLimitRatio is the part of a limit beyond which a hit counts as near it.
	NearLimitRatio float64
	// ShadowMode refuses nobody; QuotaMode makes every rule a quota.
	ShadowMode, QuotaMode bool
	// DynamicMetadata adds the rules' metadata to the answers, and ResponseHeaders the three header fields.
	DynamicMetadata, ResponseHeaders bool
	// LimitHeader, RemainingHeader and ResetHeader are their names.
	LimitHeader, RemainingHeader, ResetHeader string
}

// Off is in the place of an address where there is to be no door.
const Off = "off"

// Parse reads a file's content; its faults call it name. The error is [Faults]: all that is wrong. Only where it is no
// YAML at all is the first such place the only fault, because nothing behind it can be trusted. No content makes Parse
// panic, or takes it more time and memory than 1 MiB of configuration does.
func Parse(name string, data []byte) (*File, error) {
	f := defaultFile()
	r := newReader(name)
	if root := r.document(data); root != nil {
		fields(r, value{at: startOf(root), node: root}, fileSettings, f)
	}
	for _, look := range r.last {
		look(f)
	}
	paths := []*string{&f.Envoy.Directory, &f.Admin.TokensFile}
	for _, tls := range []*TLS{&f.Listen.HTTPTLS, &f.Listen.AdminTLS, &f.Listen.GRPCTLS, &f.Listen.RESPTLS} {
		paths = append(paths, &tls.CertFile, &tls.KeyFile, &tls.ClientCAFile)
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(name), *path) // what a file names is beside it, wherever the server was started
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// defaultFile returns what a file means that gives nothing.
func defaultFile() *File {
	r, f := newReader("default"), new(File)
	defaults(r, fileSettings, f)
	defaults(r, listenSettings, &f.Listen)
	defaults(r, envoySettings, &f.Envoy)
	defaults(r, adminSettings, &f.Admin)
	return f
}

// Load reads the file at a path. The error is [Faults], or that of reading it.
func Load(path string) (*File, error) {
	data, err := watch.Read(path, maxBytes)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}
