package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// receiver is who Alertmanager tells: as a webhook, and as Slack.
type receiver struct {
	url string

	mu     sync.Mutex
	alerts []firingAlert
	since  time.Time // what began earlier does not count
	texts  strings.Builder
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhook", func(_ http.ResponseWriter, request *http.Request) {
		var told struct{ Alerts []firingAlert }
		_ = json.NewDecoder(request.Body).Decode(&told) // what is not understood is missing later
		r.mu.Lock()
		defer r.mu.Unlock()
		r.alerts = append(r.alerts, told.Alerts...)
	})
	mux.HandleFunc("POST /slack", func(_ http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.texts.Write(body)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// of finds the last that was told of an alert that is critical, in a status; nil where nothing was.
func (r *receiver) of(name, status string) *firingAlert {
	all := r.all()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Labels["alertname"] == name && all[i].Labels["severity"] == "critical" && all[i].Status == status {
			return &all[i]
		}
	}
	return nil
}

// all lists what was told, in order.
func (r *receiver) all() []firingAlert {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.alerts), func(a firingAlert) bool { return a.StartsAt.Before(r.since) })
}

// forget lets nothing count that has begun by now.
func (r *receiver) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since = time.Now()
}

func (r *receiver) slack() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.texts.String()
}

func (r *receiver) String() string { return fmt.Sprint(r.all()) }

// monitoring is a Prometheus and an Alertmanager of a test's own, on the configuration of the stack: faster, and with the
// times of the pipeline's rules, and of the routes, a sixtieth of theirs. A minute is a second.
type monitoring struct {
	t          *testing.T
	prometheus string // its URL
}

// startMonitoring scrapes targets, by job, and tells told.
func startMonitoring(t *testing.T, told *receiver, targets map[string][]string) *monitoring {
	t.Helper()
	dir, prometheus, alertmanager := t.TempDir(), freeAddress(t), freeAddress(t)
	copyRules(t, dir)
	config := scraping(t, alertmanager, targets)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), config, 0o600))
	routes := render(t, dir, told)

	startServer(t, "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "tsdb"),
		"--web.listen-address="+prometheus)
	startServer(t, "prometheus-alertmanager", "--config.file="+routes, "--storage.path="+filepath.Join(dir, "alertmanager"),
		"--cluster.listen-address=", "--web.listen-address="+alertmanager)
	m := &monitoring{t: t, prometheus: "http://" + prometheus}
	for _, address := range []string{prometheus, alertmanager} {
		require.Eventually(t, func() bool {
			response, err := http.Get("http://" + address + "/-/ready")
			if err != nil {
				return false
			}
			defer response.Body.Close()
			return response.StatusCode == http.StatusOK
		}, alertPatience, 20*time.Millisecond)
	}
	return m
}

// scraping is the stack's configuration with other targets, at a shorter interval.
func scraping(t *testing.T, alertmanager string, targets map[string][]string) []byte {
	t.Helper()
	content, err := os.ReadFile("../../compose/prometheus/prometheus.yml")
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, yaml.Unmarshal(content, &config))
	config["global"] = map[string]any{"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "500ms"}
	static := func(addresses ...string) any { return []any{map[string]any{"targets": addresses}} }
	config["alerting"] = map[string]any{"alertmanagers": []any{map[string]any{"static_configs": static(alertmanager)}}}
	var jobs []any
	for _, job := range config["scrape_configs"].([]any) {
		name := job.(map[string]any)["job_name"].(string)
		if addresses := targets[name]; addresses != nil {
			jobs = append(jobs, map[string]any{"job_name": name, "static_configs": static(addresses...)})
		}
	}
	require.Len(t, jobs, len(targets))
	config["scrape_configs"] = jobs
	out, err := yaml.Marshal(config)
	require.NoError(t, err)
	return out
}

// copyRules copies the rules; those of the pipeline with a sixtieth of their times.
func copyRules(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "rules"), 0o700))
	files, err := filepath.Glob("../../compose/prometheus/rules/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		if filepath.Base(file) == "pipeline.yml" {
			content = hurry(content)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "rules", filepath.Base(file)), content, 0o600))
	}
}

var times = regexp.MustCompile(`(\[|(?:for|group_wait|group_interval): )(\d+)(s|m|h)\b`)

// leastFor is how long an alert must hold all the same: rules are evaluated before the first scrape is in.
const leastFor = 6000 // ms

// hurry divides times in rules and routes by sixty.
func hurry(configuration []byte) []byte {
	seconds := map[string]int{"s": 1, "m": 60, "h": 3600}
	return times.ReplaceAllFunc(configuration, func(found []byte) []byte {
		parts := times.FindSubmatch(found)
		n, _ := strconv.Atoi(string(parts[2]))
		milliseconds := n * seconds[string(parts[3])] * 1000 / 60
		if string(parts[1]) == "for: " {
			milliseconds = max(milliseconds, leastFor)
		}
		return fmt.Appendf(nil, "%s%dms", parts[1], milliseconds)
	})
}

// render makes Alertmanager's configuration as the stack's entrypoint does.
func render(t *testing.T, dir string, told *receiver) (file string) {
	t.Helper()
	command := exec.Command("../../compose/alertmanager/start", "--render")
	command.Env = append(os.Environ(), "RENDER_DIR="+dir, "ALERT_WEBHOOK_URL="+told.url+"/webhook", "SLACK_WEBHOOK_URL="+told.url+"/slack",
		"PAGERDUTY_ROUTING_KEY=")
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	file = filepath.Join(dir, "alertmanager.yml")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, hurry(content), 0o600))
	return file
}

// startServer runs a server until the test ends. One that is not installed fails the test; it never skips.
func startServer(t *testing.T, name string, arguments ...string) {
	t.Helper()
	_, err := exec.LookPath(name)
	require.NoError(t, err, "compose/services install prometheus")
	var log strings.Builder
	command := exec.Command(name, arguments...)
	command.Stdout, command.Stderr = &log, &log
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s\n%s", name, log.String())
		}
	})
}

// freeAddress is one on which nobody listens just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
