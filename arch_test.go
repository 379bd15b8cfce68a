package sluice_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/sluice-project/sluice"

// room is what one package, or a tree of them, may import besides the part of the standard library that is open to all.
// Tests are bound by none of it: nobody who imports the package compiles them.
type room struct {
	// dir is the package's directory; one that ends in "/..." stands for all below it, too.
	dir string
	// rooms are the packages of Sluice, by directory; "." is the core.
	rooms []string
	// modules are the packages of others, by prefix.
	modules []string
	// outside is what it may use of the guarded part of the standard library.
	outside []string
}

// guarded are the packages of the standard library by which a program reaches out of itself. What decides has none of
// them, and the types of a wire stay in the room that speaks it.
var guarded = []string{"net", "net/http", "os", "os/exec", "os/signal", "syscall"}

// rooms is the house. Imports point down: cmd, server, doors, engine, stores, algorithm or policy, core. A package that
// has no row here has no place yet: give it one, with as little in it as will do.
var rooms = []room{
	// The library: what an importer compiles is standard library but for a Redis client and a YAML reader.
	{dir: "."},
	{dir: "algorithm", rooms: []string{"."}},
	{dir: "policy", rooms: []string{"."}},
	{
		dir: "policy/filesource", rooms: []string{".", "policy", "schedule", "internal/watch"}, modules: []string{"github.com/goccy/go-yaml"},
		outside: []string{"net"},
	},
	{dir: "schedule", rooms: []string{".", "policy"}},
	{dir: "store/memstore", rooms: []string{".", "algorithm", "internal/giveway"}},
	{dir: "store/lease", rooms: []string{"."}},     // whatever store lends
	{dir: "store/denycache", rooms: []string{"."}}, // whatever store it is put around
	{dir: "store/breaker", rooms: []string{"."}},   // and this one
	{dir: "store/ledger", rooms: []string{"."}},
	{dir: "store/ledger/ledgertest", rooms: []string{".", "store/ledger"}}, // no ledger: what it says is of all
	{
		dir: "store/redisstore", rooms: []string{".", "store/lease", "store/ledger"}, modules: []string{"github.com/redis/rueidis"},
		outside: []string{"net", "os"},
	},
	{dir: "engine", rooms: []string{".", "policy", "internal/giveway"}},
	{dir: "control", rooms: []string{".", "policy", "schedule", "store/ledger"}},
	{dir: "httplimit", rooms: []string{"."}, outside: []string{"net/http"}},
	{
		// It tells over gRPC what httplimit tells over HTTP, in the same words; see docs/decisions/0027.
		dir: "grpclimit", rooms: []string{".", "httplimit"}, outside: []string{"net/http"},
		modules: []string{"google.golang.org/grpc", "google.golang.org/genproto/googleapis/rpc", "google.golang.org/protobuf"},
	},

	{dir: "internal/giveway", outside: []string{"syscall"}}, // to the system's scheduler
	{dir: "internal/watch", outside: []string{"os"}},        // it knows nothing of what is in the files
	{dir: "internal/clocktest"},                             // nor does this one: it knows what a clock is

	// What its tests and its pages are made with.
	{
		dir:     "internal/redistest", // it knows nothing of Sluice
		outside: []string{"net", "os", "os/exec", "syscall"},
	},
	{dir: "internal/processtest", outside: []string{"net", "os", "os/exec", "syscall"}}, // nor does this one
	{
		dir: "internal/storetest", rooms: []string{".", "internal/storetest/model", "store/lease"}, modules: []string{"pgregory.net/rapid"},
		outside: []string{"os"},
	},
	{dir: "internal/storetest/model", rooms: []string{"."}}, // nothing of algorithm: it is there to contradict it
	{dir: "internal/figures", rooms: []string{".", "store/memstore"}, outside: []string{"os"}},

	{dir: "server/access", rooms: []string{"internal/watch"}}, // who may do what, for the doors

	// The server. A door imports no other door of the server; httpapi answers with the header fields and reads the
	// client address that httplimit knows, because authorize is the same question over the same protocol.
	{
		dir: "server/httpapi", rooms: []string{".", "control", "engine", "policy", "schedule", "httplimit", "server/access"},
		modules: []string{"github.com/go-json-experiment/json"}, outside: []string{"net", "net/http"},
	},
	{
		dir: "server/envoyrls", rooms: []string{".", "engine", "server/envoyrls/config"},
		modules: []string{
			"github.com/envoyproxy/go-control-plane", "github.com/prometheus/client_golang", "golang.org/x/net/http2", "google.golang.org/grpc",
			"google.golang.org/protobuf",
		},
		outside: []string{"net", "net/http"},
	},
	{
		dir: "server/envoyrls/config", rooms: []string{".", "policy", "policy/filesource", "internal/watch"}, // no type of the protocol
		modules: []string{"go.yaml.in/yaml/v3"}, outside: []string{"os"},
	},
	{dir: "server/envoyrls/environment", rooms: []string{"policy/filesource"}, outside: []string{"net"}},
	{
		dir: "server/respapi", rooms: []string{".", "control", "engine", "server/access"}, outside: []string{"net"},
	},
	{
		dir: "server/doctor", rooms: []string{"store/redisstore"}, modules: []string{"github.com/redis/rueidis"},
		outside: []string{"net", "os", "syscall"},
	},
	{
		dir: "server/telemetry", rooms: []string{".", "engine"}, modules: []string{"github.com/prometheus/client_golang"},
		outside: []string{"net/http"},
	},
	{
		dir: "server",
		rooms: []string{
			".", "control", "engine", "policy", "policy/filesource", "internal/watch", "server/access", "server/envoyrls", "server/envoyrls/config",
			"server/envoyrls/environment", "server/httpapi", "server/respapi",
			"server/telemetry", "store/breaker", "store/denycache", "store/lease", "store/ledger", "store/memstore", "store/redisstore",
		},
		modules: []string{"github.com/redis/rueidis", "google.golang.org/grpc"},
		outside: []string{"net", "net/http", "os", "syscall"},
	},
	{
		dir: "server/cmd/sluice",
		rooms: []string{
			".", "control", "engine", "policy", "policy/filesource", "server", "server/access", "server/doctor", "server/envoyrls/config",
			"server/envoyrls/environment", "server/httpapi", "store/memstore", "store/redisstore",
		},
		modules: []string{"github.com/go-json-experiment/json", "github.com/spf13", "golang.org/x/term"},
		outside: guarded,
	},

	// What breaks whole servers. The checker and the record that it goes over know nothing of the product, and the rest
	// knows it from outside, as processes.
	{dir: "server/e2e/chaos/record", outside: []string{"os"}},
	{dir: "server/e2e/chaos/check", rooms: []string{"server/e2e/chaos/record"}},
	{dir: "server/e2e/chaos/plan", rooms: []string{"server/e2e/chaos/record"}, outside: []string{"os"}},
	{
		dir: "server/e2e/chaos/world", rooms: []string{"server/e2e/chaos/record"}, modules: []string{"github.com/redis/go-redis"},
		outside: guarded,
	},
	{dir: "server/e2e/chaos/faults", rooms: []string{"server/e2e/chaos/record", "server/e2e/chaos/world"}},
	{
		dir: "server/e2e/chaos/callers", rooms: []string{"server/e2e/chaos/plan", "server/e2e/chaos/record", "server/e2e/chaos/world"},
		modules: []string{"github.com/redis/go-redis", "github.com/envoyproxy/go-control-plane", "google.golang.org/grpc"}, outside: guarded,
	},
	{
		dir: "server/e2e/chaos",
		rooms: []string{
			"server/e2e/chaos/callers", "server/e2e/chaos/check", "server/e2e/chaos/faults", "server/e2e/chaos/plan", "server/e2e/chaos/record",
			"server/e2e/chaos/world",
		},
		modules: []string{"github.com/redis/go-redis"}, outside: guarded,
	},

	// What is never released.
	{
		dir: "bench/...", rooms: []string{".", "store/denycache", "store/lease", "store/memstore", "store/redisstore", "internal/redistest"},
		modules: []string{""}, outside: guarded,
	},
	{dir: "tools/...", rooms: []string{"tools/packages"}, outside: guarded},
}

// covers reports whether the room is that of a package.
func (r room) covers(dir string) bool {
	tree, all := strings.CutSuffix(r.dir, "/...")
	return dir == tree || all && strings.HasPrefix(dir, tree+"/")
}

// allows reports whether a package of the room may import another.
func (r room) allows(imported string) bool {
	if dir, ours := packageDir(imported); ours {
		return slices.Contains(r.rooms, dir)
	}
	if !standard(imported) {
		return slices.ContainsFunc(r.modules, func(prefix string) bool { return strings.HasPrefix(imported, prefix) })
	}
	return !slices.Contains(guarded, imported) || slices.Contains(r.outside, imported)
}

// TestImports holds every package of every module against its room.
func TestImports(t *testing.T) {
	imports := readImports(t)
	for _, r := range rooms {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(imports)), r.covers) {
			t.Errorf("the room %q has no package any more: take it out of the table", r.dir)
		}
	}
	for dir, files := range imports {
		i := slices.IndexFunc(rooms, func(r room) bool { return r.covers(dir) })
		if i < 0 {
			t.Errorf("the package %s has no room: give it a row in arch_test.go", dir)
			continue
		}
		for _, f := range files {
			if !rooms[i].allows(f.imported) {
				t.Errorf("%s: the room %q must not import %s: see arch_test.go for what it may", f.at, rooms[i].dir, f.imported)
			}
		}
	}
}

// TestStandardLibraryOnly shows that whoever imports the core, the embedded store or the middleware compiles the
// standard library and nothing else.
func TestStandardLibraryOnly(t *testing.T) {
	imports := readImports(t)
	for _, dir := range []string{".", "store/memstore", "httplimit"} {
		seen := map[string]bool{dir: true}
		for open := []string{dir}; len(open) > 0; open = open[1:] {
			for _, f := range imports[open[0]] {
				if next, ours := packageDir(f.imported); ours && !seen[next] {
					seen[next] = true
					open = append(open, next)
				} else if !ours && !standard(f.imported) {
					t.Errorf("%s: an importer of %s compiles %s, want the standard library only", f.at, dir, f.imported)
				}
			}
		}
	}
}

// importedAt is one import and where it stands.
type importedAt struct {
	imported string
	at       token.Position
}

// readImports returns what every package of the tree imports, tests aside, by the package's directory.
func readImports(t *testing.T) map[string][]importedAt {
	t.Helper()
	imports := make(map[string][]importedAt)
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(files, name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		var found []importedAt
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			found = append(found, importedAt{imported, files.Position(i.Pos())})
		}
		imports[dir] = append(imports[dir], found...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}

// packageDir returns the directory of a package of Sluice, and whether it is one.
func packageDir(imported string) (dir string, ours bool) {
	if imported == modulePath {
		return ".", true
	}
	return strings.CutPrefix(imported, modulePath+"/")
}

// standard reports whether a package is of the standard library: the first element of every other path is a host name.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}
