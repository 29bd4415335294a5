package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/compose"
	"github.com/codybias9/real-estate-os/events"
)

// exported lists what a process of every part registers: metrics and their labels, whether they have a value yet or not.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	w := newWorld(t)
	for _, variable := range w.env {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	in, err := newInstallation(t.Context(), &console{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	require.NoError(t, err)
	in.log = zerolog.Nop()
	defer func() { require.NoError(t, in.teardown.run()) }()
	require.NoError(t, in.openFor(t.Context(), events.Stages))
	pipeline := in.newPipeline(events.Stages)
	_, err = in.serveAdmin(pipeline)
	require.NoError(t, err)
	_, err = in.serveAPI(t.Context(), t.Context(), pipeline)
	require.NoError(t, err)

	descs := make(chan *prometheus.Desc, 1000)
	in.registry.Describe(descs)
	close(descs)
	form := regexp.MustCompile(`^Desc\{fqName: "([^"]+)", .*variableLabels: \{([^}]*)\}\}$`)
	metrics := map[string][]string{}
	for desc := range descs {
		match := form.FindStringSubmatch(desc.String())
		require.NotNil(t, match, desc.String())
		metrics[match[1]] = strings.FieldsFunc(match[2], func(r rune) bool { return r == ',' })
	}
	require.Contains(t, metrics, "reos_stage_messages_total")
	families, err := in.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		require.Contains(t, metrics, family.GetName(), "it describes all that it gathers")
	}
	return metrics
}

// labelsOf finds a metric, and a histogram by the names of its parts.
func labelsOf(metrics map[string][]string, name string) (labels []string, ok bool) {
	if labels, ok = metrics[name]; ok {
		return labels, true
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if base, found := strings.CutSuffix(name, part); found {
			if labels, ok = metrics[base]; ok && strings.HasSuffix(base, "_total") {
				return nil, false
			}
			if ok && part == "_bucket" {
				labels = append(slices.Clone(labels), "le")
			}
			return labels, ok
		}
	}
	return nil, false
}

// fromPrometheus are the labels that Prometheus adds to what it scrapes.
var fromPrometheus = []string{"job", "instance"}

// Every query of every panel, rule and runbook asks for what is exported, and by labels that it has.
func TestEveryQueryNamesWhatIsExported(t *testing.T) {
	metrics := exported(t)
	metrics["up"], metrics["ALERTS"] = nil, []string{"alertname", "alertstate", "severity"}
	rules, err := compose.Rules()
	require.NoError(t, err)
	recorded := map[string]bool{}
	queries := map[string]string{} // by where they stand
	for _, rule := range rules {
		recorded[rule.Record] = true
		queries[rule.File+" "+rule.Record+rule.Alert+" "+rule.Expr] = rule.Expr
		for _, annotation := range rule.Annotations {
			for _, query := range templated.FindAllStringSubmatch(annotation, -1) {
				queries[rule.File+" "+rule.Alert+" "+query[1]] = strings.ReplaceAll(query[1], "%q", `"x"`)
			}
		}
	}
	panels, err := compose.Queries()
	require.NoError(t, err)
	for _, query := range panels {
		queries[query.Dashboard+" "+query.Panel+" "+query.Expr] = query.Expr
	}
	for file, content := range runbooks(t) {
		for _, block := range fenced(content, "promql") {
			for line := range strings.Lines(block) {
				queries[file+" "+line] = line
			}
		}
	}
	used := map[string]bool{}
	for where, query := range queries {
		selectors, err := compose.Selectors(query)
		require.NoError(t, err, where)
		for _, selector := range selectors {
			used[selector.Metric] = true
			if recorded[selector.Metric] {
				continue
			}
			labels, ok := labelsOf(metrics, selector.Metric)
			if !assert.True(t, ok, "nothing exports %s: %s", selector.Metric, where) {
				continue
			}
			assert.Subset(t, slices.Concat(labels, fromPrometheus), selector.Labels, "labels of %s: %s", selector.Metric, where)
		}
	}
	for name := range recorded {
		require.True(t, name == "" || used[name], "nothing uses what is recorded as %s", name)
	}
}

// templated finds the queries in the templates of annotations.
var templated = regexp.MustCompile("printf \"((?:[^\"\\\\]|\\\\.)+)\" [^|]+\\| query")

// runbooks reads the runbooks by file.
func runbooks(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/runbooks/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	read := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		read[filepath.Base(file)] = string(content)
	}
	return read
}

// fenced lists a page's blocks of code in a language.
func fenced(markdown, language string) []string {
	var blocks []string
	for i, part := range strings.Split(markdown, "```") {
		if code, ok := strings.CutPrefix(part, language+"\n"); ok && i%2 == 1 {
			blocks = append(blocks, strings.TrimSpace(code))
		}
	}
	return blocks
}

// Whoever is woken at night types what the page says: it must be a verb, with flags that it has.
func TestCommandsInRunbooksExist(t *testing.T) {
	inline := regexp.MustCompile("`(reos [^`]+)`")
	word := regexp.MustCompile(`"[^"]*"|\S+`)
	for file, content := range runbooks(t) {
		var commands []string
		for _, block := range fenced(content, "sh") {
			for line := range strings.Lines(block) {
				if strings.HasPrefix(line, "reos ") {
					commands = append(commands, line)
				}
			}
		}
		for _, match := range inline.FindAllStringSubmatch(content, -1) {
			commands = append(commands, match[1])
		}
		for _, command := range commands {
			command, _, _ = strings.Cut(command, "#")
			requireCommand(t, file, word.FindAllString(command, -1)[1:])
		}
	}
}

// requireCommand parses a command as the program would, and runs nothing.
func requireCommand(t *testing.T, file string, words []string) {
	t.Helper()
	root := newRoot(&console{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	found, rest, err := root.Find(words)
	require.NoError(t, err, "%s: reos %s", file, strings.Join(words, " "))
	require.NotEqual(t, root, found, "%s: reos %s", file, strings.Join(words, " "))
	require.False(t, found.HasSubCommands() && len(rest) > 0, "%s: reos %s", file, strings.Join(words, " "))
	err = found.ParseFlags(rest)
	require.True(t, err == nil || err == pflag.ErrHelp, "%s: reos %s: %v", file, strings.Join(words, " "), err)
	if err == nil && !found.HasSubCommands() {
		require.NoError(t, cobra.Command{Args: found.Args}.Args(found, found.Flags().Args()), "%s: reos %s", file, strings.Join(words, " "))
	}
}
