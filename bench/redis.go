package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice/store/redisstore"
)

// server is a private redis-server.
type server struct {
	*process
	addr    string
	version string
}

// startRedis starts a redis-server, or what SLUICE_REDIS_SERVER names, on a free loopback port, which keeps nothing on disk, and waits until it answers.
func startRedis(ctx context.Context) (*server, error) {
	name := os.Getenv("SLUICE_REDIS_SERVER")
	if name == "" {
		name = "redis-server"
	}
	binary, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("%w: install it by \"sudo apt-get install redis-server\" (Debian, Ubuntu) or \"brew install redis\" (macOS), or name another one in SLUICE_REDIS_SERVER", err)
	}
	s := &server{}
	p, addrs, err := launch(ctx, service{ports: 1, answers: s.answers, command: func(dir string, addrs []string) (*exec.Cmd, error) {
		cmd := exec.Command(binary, "--bind", "127.0.0.1", "--port", portOf(addrs[0]), "--dir", dir, "--save", "", "--appendonly", "no")
		cmd.Args[0] = "redis-server" // Debian's package of tools has the same program by another name, and it goes by that
		return cmd, nil
	}})
	if err != nil {
		return nil, err
	}
	s.process, s.addr = p, addrs[0]
	return s, nil
}

// answers returns nil when the server does. Whoever else has got the port would answer too, but not by its process id.
func (s *server) answers(ctx context.Context, pid int, addrs []string) error {
	client := redis.NewClient(&redis.Options{Addr: addrs[0], MaxRetries: -1})
	defer client.Close()
	info, err := client.InfoMap(ctx, "server").Result()
	if err != nil {
		return err
	}
	if info["Server"]["process_id"] != strconv.Itoa(pid) {
		return errors.New("another one answers")
	}
	s.version = info["Server"]["redis_version"]
	return nil
}

// clients are the connections to a private redis-server, nil where there is none.
type clients struct {
	server  *server
	rueidis rueidis.Client
	goRedis *redis.Client         // with the default pool
	wide    map[int]*redis.Client // with so many connections
}

// connect returns the clients: rueidis with the settings that redisstore asks for, and go-redis, which all rivals use.
func connect(s *server) (clients, error) {
	option, err := redisstore.ClientOption("redis://" + s.addr)
	if err != nil {
		return clients{}, err
	}
	ours, err := rueidis.NewClient(option)
	if err != nil {
		return clients{}, err
	}
	c := clients{server: s, rueidis: ours, goRedis: redis.NewClient(&redis.Options{Addr: s.addr}), wide: map[int]*redis.Client{}}
	for _, size := range crowds {
		c.wide[size] = redis.NewClient(&redis.Options{Addr: s.addr, PoolSize: size})
	}
	return c, nil
}

// begin starts a redis-server and connects to it.
func begin(ctx context.Context) (clients, error) {
	s, err := startRedis(ctx)
	if err != nil {
		return clients{}, err
	}
	c, err := connect(s)
	if err != nil {
		s.stop()
	}
	return c, err
}

// end closes the connections and ends the server.
func (c clients) end() {
	if c.server == nil {
		return
	}
	c.rueidis.Close()
	c.goRedis.Close()
	for _, client := range c.wide {
		client.Close()
	}
	c.server.stop()
}

// forget removes all keys.
func (c clients) forget(ctx context.Context) error {
	if c.server == nil {
		return nil
	}
	return c.goRedis.FlushAll(ctx).Err()
}

// has returns an error unless there are so many keys.
func (c clients) has(ctx context.Context, keys int) error {
	size, err := c.goRedis.DBSize(ctx).Result()
	if err == nil && size != int64(keys) {
		err = fmt.Errorf("there are %d keys in Redis, want %d", size, keys)
	}
	return err
}

// scriptCalls returns how many calls of a script the server has carried out. What a script does itself is counted under
// other names.
func (c clients) scriptCalls(ctx context.Context) (int64, error) {
	if c.server == nil {
		return 0, nil
	}
	info, err := c.goRedis.InfoMap(ctx, "commandstats").Result()
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, command := range []string{"eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"} {
		stat := info["Commandstats"]["cmdstat_"+command] // such as "calls=12,usec=340,...", "" for one never called
		if stat == "" {
			continue
		}
		calls, _, _ := strings.Cut(strings.TrimPrefix(stat, "calls="), ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("redis says of %s %q: %w", command, stat, err)
		}
		total += n
	}
	return total, nil
}
