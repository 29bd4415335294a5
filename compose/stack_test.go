package compose_test

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strconv"
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

// The image is built of what .dockerignore lets through.
func TestAllThatReosIsBuiltOfIsInTheImagesContext(t *testing.T) {
	ignored, err := os.ReadFile("Dockerfile.dockerignore")
	require.NoError(t, err)
	let := func(folder string) bool {
		for line := range strings.Lines(string(ignored)) {
			if kept, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok && (folder == kept || strings.HasPrefix(folder, kept+"/")) {
				return true
			}
		}
		return false
	}
	const module = "github.com/codybias9/real-estate-os/"
	seen, folders := map[string]bool{"cmd/reos": true}, []string{"cmd/reos"}
	for len(folders) > 0 {
		folder := folders[0]
		folders = folders[1:]
		require.Truef(t, let(folder), "Dockerfile.dockerignore keeps %s out", folder)
		files, err := filepath.Glob(path.Join("..", folder, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, folder)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, spec := range parsed.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				if own, ok := strings.CutPrefix(name, module); ok && !seen[own] {
					seen[own], folders = true, append(folders, own)
				}
			}
		}
	}
	require.Contains(t, seen, "docs/feeds")
}
