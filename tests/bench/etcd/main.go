// Writes, compare-and-sets and linearizable reads of 1 KB values against an etcd, as its users see it: through its Go client over
// loopback, one JSON line for each measurement. The loads are those of kv's bench.
//
// Usage: etcd-bench -endpoints HOST:PORT,... -pids PID,... [-seconds S] [-clients A,B,...] [-at NAME] [-nodes N]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	valueBytes = 1024
	// Values are windows into this much text.
	textBytes = 1 << 20
	keys      = 10_000
	ticks     = 100
	// Connections that the clients share out among themselves, as etcd's own benchmark does.
	connections = 16
)

// text compresses about as well as base64 does: by a quarter.
var text = func() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	state := uint64(0x2545_f491_4f6c_dd1d)
	made := make([]byte, textBytes)
	for n := range made {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		made[n] = letters[state>>58]
	}
	return string(made)
}()

// operation does one call; revision is what the key's last write of this client was, 0 before there was any.
type operation func(ctx context.Context, client *clientv3.Client, key, value string, revision int64) (int64, error)

func put(ctx context.Context, client *clientv3.Client, key, value string, _ int64) (int64, error) {
	_, err := client.Put(ctx, key, value)
	return 0, err
}

func compareAndSet(ctx context.Context, client *clientv3.Client, key, value string, revision int64) (int64, error) {
	if revision == 0 {
		found, err := client.Get(ctx, key, clientv3.WithSerializable())
		if err != nil {
			return 0, err
		}
		if len(found.Kvs) > 0 {
			revision = found.Kvs[0].ModRevision
		}
	}
	done, err := client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).Then(clientv3.OpPut(key, value)).Commit()
	if err != nil || !done.Succeeded {
		return 0, err
	}
	return done.Header.Revision, nil
}

func get(ctx context.Context, client *clientv3.Client, key, _ string, _ int64) (int64, error) {
	_, err := client.Get(ctx, key)
	return 0, err
}

// cpuSeconds is the processor time of the servers so far.
func cpuSeconds(pids []string) float64 {
	total := 0.0
	for _, pid := range pids {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			log.Fatal(err)
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, at := range []int{11, 12} {
			number, err := strconv.ParseFloat(fields[at], 64)
			if err != nil {
				log.Fatal(err)
			}
			total += number / ticks
		}
	}
	return total
}

func run(name string, do operation, clients int, open []*clientv3.Client, duration time.Duration) []time.Duration {
	var all []time.Duration
	var lock sync.Mutex
	var group sync.WaitGroup
	until := time.Now().Add(duration)
	for n := range clients {
		group.Go(func() {
			var took []time.Duration
			revisions := map[int]int64{}
			for key := n; ; key += clients {
				if key >= max(keys, clients) {
					key = n
				}
				began := time.Now()
				if !began.Before(until) {
					break
				}
				window := len(took) * 769 % (textBytes - valueBytes)
				revision, err := do(context.Background(), open[n%len(open)], fmt.Sprintf("/registry/configmaps/bench/%06d", key), text[window:window+valueBytes], revisions[key])
				if err != nil {
					log.Fatalf("%s: %v", name, err)
				}
				revisions[key] = revision
				took = append(took, time.Since(began))
			}
			lock.Lock()
			all = append(all, took...)
			lock.Unlock()
		})
	}
	group.Wait()
	return all
}

func main() {
	endpoints := flag.String("endpoints", "", "where the clients connect")
	pids := flag.String("pids", "", "the servers whose processor time counts")
	seconds := flag.Int("seconds", 5, "how long each measurement takes")
	counts := flag.String("clients", "1,64,256", "how many clients")
	at := flag.String("at", "leader", "what is said of the endpoint")
	nodes := flag.Int("nodes", 1, "what is said of the cluster")
	flag.Parse()
	operations := []struct {
		name string
		do   operation
	}{{"put", put}, {"cas", compareAndSet}, {"get", get}}
	for _, count := range strings.Split(*counts, ",") {
		clients, err := strconv.Atoi(count)
		if err != nil {
			log.Fatal(err)
		}
		var open []*clientv3.Client
		for range min(clients, connections) {
			client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(*endpoints, ","), DialTimeout: 5 * time.Second})
			if err != nil {
				log.Fatal(err)
			}
			open = append(open, client)
		}
		for _, operation := range operations {
			servers := strings.Split(*pids, ",")
			cpu, began := cpuSeconds(servers), time.Now()
			took := run(operation.name, operation.do, clients, open, time.Duration(*seconds)*time.Second)
			wall, used := time.Since(began).Seconds(), cpuSeconds(servers)-cpu
			slices.Sort(took)
			share := func(part float64) int64 { return took[min(int(float64(len(took))*part), len(took)-1)].Microseconds() }
			fmt.Printf("{\"store\": \"etcd\", \"nodes\": %d, \"at\": %q, \"operation\": %q, \"clients\": %d, \"per_second\": %.0f, \"p50_us\": %d, \"p99_us\": %d, \"cpu_seconds_per_1000\": %.4f}\n",
				*nodes, *at, operation.name, clients, float64(len(took))/wall, share(0.5), share(0.99), used*1000/float64(len(took)))
		}
		for _, client := range open {
			client.Close()
		}
	}
}
