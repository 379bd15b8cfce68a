package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// respClients is how many connections redis-benchmark has, its default.
const respClients = 50

// respServer is a server that redis-benchmark asks.
type respServer struct {
	limiter
	command []string // what it is asked, of a key in random order
	begins  string   // how an answer begins that is right
	service service
}

// respGroup is the door for clients of Redis beside Redis itself, asked by redis-benchmark.
func respGroup() group {
	p := &programs{}
	g := group{
		name: "resp", title: "Servers by the Redis protocol", ready: p.build,
		columns: slices.Concat([]column{
			{"pipeline", false, func(r row, _ []row) string { return r.keys }},
		}, loadColumns[1:], []column{cpuColumn, versus("x INCR", rateMetric, yardsticks), versus("x INCR CPU", cpuMetric, yardsticks)}),
		note: fmt.Sprintf("redis-benchmark asks over %d connections, and has one of the cores to itself where the server leaves it: CL.THROTTLE, which decides by the embedded store and charges, beside INCR, which counts; both of %s keys in random order. A reply of CL.THROTTLE is five numbers, which redis-benchmark takes longer to read. redis-server uses one processor; so does sluice serve where it is started with GOMAXPROCS=1. p50 and p99 are of a whole pipeline.",
			respClients, count(memoryKeys)),
	}
	servers := []respServer{sluiceRESP(p, "sluice serve", nil), sluiceRESP(p, "sluice serve, one processor", []string{"GOMAXPROCS=1"}), redisRESP()}
	for _, depth := range []int{1, 16, 64} {
		c := contest{name: fmt.Sprintf("resp/%d", depth), keys: strconv.Itoa(depth), load: load{goroutines: respClients}}
		for _, s := range servers {
			c.limiters = append(c.limiters, s.limiter)
		}
		g.contests = append(g.contests, c)
	}
	g.drive = func(ctx context.Context, g group, s settings, progress io.Writer) ([]row, error) {
		return driveRESP(ctx, g, servers, s, progress)
	}
	return g
}

// sluiceRESP is sluice serve with the embedded store.
func sluiceRESP(p *programs, name string, env []string) respServer {
	return respServer{
		limiter: limiter{name: name, ours: true},
		command: []string{"CL.THROTTLE", "key:__rand_int__", "1000000", "1", "60"}, // so much that all are allowed, and what was used is remembered
		begins:  "*5\r\n:0\r\n:1000001\r\n",
		service: service{
			ports: 2,
			command: func(dir string, addrs []string) (*exec.Cmd, error) {
				file := filepath.Join(dir, "sluice.yaml")
				cmd := exec.Command(p.sluice, "serve", "--config", file)
				cmd.Env = append(os.Environ(), env...)
				return cmd, os.WriteFile(file, fmt.Appendf(nil, "listen: {resp: '%s', http: '%s'}\n", addrs[0], addrs[1]), 0o644)
			},
			answers: pong,
		},
	}
}

// redisRESP is a redis-server that counts.
func redisRESP() respServer {
	return respServer{
		limiter: limiter{name: "redis-server INCR", yardstick: true},
		command: []string{"INCR", "key:__rand_int__"},
		begins:  ":",
		service: service{
			ports: 1,
			command: func(dir string, addrs []string) (*exec.Cmd, error) {
				name := os.Getenv("SLUICE_REDIS_SERVER")
				if name == "" {
					name = "redis-server"
				}
				path, err := exec.LookPath(name)
				if err != nil {
					return nil, err
				}
				cmd := exec.Command(path, "--port", portOf(addrs[0]), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir)
				cmd.Args[0] = "redis-server" // Debian's package of tools has the same program by another name, and it goes by that
				return cmd, nil
			},
			answers: pong,
		},
	}
}

// pong asks whether a server is up.
func pong(ctx context.Context, _ int, addrs []string) error {
	answer, err := say(ctx, addrs[0], "PING")
	if err == nil && answer != "+PONG\r\n" {
		err = fmt.Errorf("PING is answered %q", answer)
	}
	return err
}

// say sends a command and returns what comes at once.
func say(ctx context.Context, addr string, words ...string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", strings.Join(words, " ")); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	if _, err := in.Peek(1); err != nil {
		return "", err
	}
	answer, err := in.Peek(in.Buffered())
	return string(answer), err
}

// driveRESP measures the contests of the group: the servers take turns, in another order each round.
func driveRESP(ctx context.Context, g group, servers []respServer, s settings, progress io.Writer) (rows []row, err error) {
	driver, err := exec.LookPath("redis-benchmark")
	if err != nil {
		return nil, fmt.Errorf("%w: install it by \"sudo apt-get install redis-tools\"", err)
	}
	running := map[string]*respRun{}
	for _, server := range servers {
		if !slices.ContainsFunc(g.limiters(), func(l limiter) bool { return l.name == server.name }) {
			continue
		}
		process, addrs, err := launch(ctx, server.service)
		if err != nil {
			return nil, err
		}
		defer process.stop()
		run := &respRun{respServer: server, process: process, addr: addrs[0], driver: driver}
		running[server.name] = run
		answer, err := say(ctx, run.addr, strings.ReplaceAll(strings.Join(server.command, " "), "__rand_int__", "verified"))
		if err == nil && !strings.HasPrefix(answer, server.begins) {
			err = fmt.Errorf("it answers %q", answer)
		}
		if err != nil {
			return nil, fmt.Errorf("verify %s: %w", server.name, err)
		}
	}
	for _, c := range g.contests {
		fmt.Fprintln(progress, c.name)
		rounds := make([][]figures, len(c.limiters))
		for round := range s.rounds {
			for turn := range c.limiters {
				i := (turn + round) % len(c.limiters)
				f, err := running[c.limiters[i].name].measure(ctx, c.keys, s.duration)
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", c.name, c.limiters[i].name, err)
				}
				rounds[i] = append(rounds[i], f)
			}
		}
		for i, l := range c.limiters {
			r := c.row(l)
			r.figures, r.span = medianFigures(rounds[i])
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// respRun is a server that runs.
type respRun struct {
	respServer
	process *process
	addr    string
	driver  string
	rate    map[string]float64 // found before, by the depth of the pipeline
}

// measure asks for about so long, after a tenth of that, by which its caches grow warm.
func (r *respRun) measure(ctx context.Context, depth string, duration time.Duration) (figures, error) {
	if r.rate == nil {
		r.rate = map[string]float64{}
	}
	if r.rate[depth] == 0 {
		r.rate[depth] = 100_000
	}
	warm, err := r.ask(ctx, depth, duration/10)
	if err != nil {
		return figures{}, err
	}
	r.rate[depth] = warm.perSecond
	f, err := r.ask(ctx, depth, duration)
	r.rate[depth] = f.perSecond
	return f, err
}

// ask has redis-benchmark ask as often as it would in so long.
func (r *respRun) ask(ctx context.Context, depth string, duration time.Duration) (figures, error) {
	asks := max(1000, int(r.rate[depth]*duration.Seconds()))
	args := []string{"-p", portOf(r.addr), "-c", strconv.Itoa(respClients), "-P", depth, "-n", strconv.Itoa(asks), "-r", strconv.Itoa(memoryKeys), "--csv"}
	before, err := r.process.cpu()
	if err != nil {
		return figures{}, err
	}
	out, err := exec.CommandContext(ctx, r.driver, append(args, r.command...)...).Output()
	if err != nil {
		return figures{}, fmt.Errorf("redis-benchmark: %w: %s", err, out)
	}
	after, err := r.process.cpu()
	if err != nil {
		return figures{}, err
	}
	f, err := readCSV(out)
	f.cpu = float64(after-before) / float64(asks)
	return f, err
}

// readCSV reads what redis-benchmark prints: a head, and the figures of one test, times in milliseconds.
func readCSV(out []byte) (f figures, err error) {
	records, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil || len(records) != 2 {
		return f, errors.Join(err, fmt.Errorf("redis-benchmark prints %q", out))
	}
	value := func(name string) float64 {
		i := slices.Index(records[0], name)
		if i < 0 {
			err = errors.Join(err, fmt.Errorf("redis-benchmark prints no %s: %q", name, out))
			return 0
		}
		n, fault := strconv.ParseFloat(records[1][i], 64)
		err = errors.Join(err, fault)
		return n
	}
	f.perSecond = value("rps")
	f.p50 = time.Duration(value("p50_latency_ms") * float64(time.Millisecond))
	f.p99 = time.Duration(value("p99_latency_ms") * float64(time.Millisecond))
	return f, err
}
