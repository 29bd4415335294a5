package compose_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stack is what the tests read of compose.yaml.
type stack struct {
	Services map[string]struct {
		Image       string
		Volumes     []string
		Healthcheck *struct{ Test []string }
	}
	Volumes map[string]any
}

func readStack(t *testing.T) stack {
	var s stack
	readYAML(t, "compose.yaml", &s)
	return s
}

func TestWhatWatchesIsInTheStack(t *testing.T) {
	s := readStack(t)
	for _, name := range []string{"prometheus", "alertmanager", "grafana"} {
		require.Contains(t, s.Services, name)
		service := s.Services[name]
		require.NotNil(t, service.Healthcheck, name)
		require.Regexp(t, `^[a-z/]+:v?\d+\.\d+\.\d+$`, service.Image, "pinned")
		for _, volume := range service.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(from, "./") {
				_, err := os.Stat(from)
				require.NoError(t, err, "%s mounts it", name)
			} else {
				require.Contains(t, s.Volumes, from)
			}
		}
	}
}

// Prometheus finds processes by the names of their services.
func TestEveryProcessIsScraped(t *testing.T) {
	var prometheus struct {
		Scrapes []struct {
			Job string `yaml:"job_name"`
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus/prometheus.yml", &prometheus)
	scraped := map[string]string{}
	for _, scrape := range prometheus.Scrapes {
		for _, dns := range scrape.DNS {
			require.Equal(t, 9400, dns.Port, "ADMIN_ADDR")
			for _, name := range dns.Names {
				scraped[name] = scrape.Job
			}
		}
	}
	s := readStack(t)
	for name, job := range scraped {
		require.Contains(t, s.Services, name, "job %s", job)
	}
	for name, service := range s.Services {
		if service.Image == "reos" && name != "migrate" {
			require.Contains(t, scraped, name)
		}
	}
	require.Equal(t, "reos-api", scraped["api"], "its availability is an SLI")
}
