package compose_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

const (
	runbooks    = "../docs/runbooks"
	runbooksURL = "https://github.com/codybias9/real-estate-os/blob/main/docs/runbooks/"
)

func TestEveryAlertHasARunbook(t *testing.T) {
	linked := map[string]bool{"README.md": true, "reasons.md": true}
	for _, alert := range alerts(t) {
		require.NotEmpty(t, alert.Annotations["summary"], alert.Alert)
		name, ours := strings.CutPrefix(alert.Annotations["runbook_url"], runbooksURL)
		require.True(t, ours, "%s links to a runbook", alert.Alert)
		linked[name] = true
		content, err := os.ReadFile(filepath.Join(runbooks, name))
		require.NoError(t, err, alert.Alert)
		require.Contains(t, string(content), alert.Alert, "the runbook names its alert")
		require.Equal(t, []string{"What it means", "Confirm it", "What to do", "It is over when"}, headings(string(content)), name)
	}
	files, err := filepath.Glob(runbooks + "/*.md")
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, linked[filepath.Base(file)], "no alert links to %s", file)
	}
}

func TestEveryReasonHasAHeading(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(runbooks, "reasons.md"))
	require.NoError(t, err)
	var want []string
	for _, reason := range events.Reasons {
		want = append(want, string(reason))
	}
	got := headings(string(content))
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got, "one heading per reason of events/outcome.go, and none besides")
}

func TestLinksBetweenRunbooksLead(t *testing.T) {
	files, err := filepath.Glob(runbooks + "/*.md")
	require.NoError(t, err)
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range link.FindAllStringSubmatch(string(content), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(file), match[1]))
			require.NoError(t, err, "%s links to %s", file, match[1])
		}
	}
}

// headings are those of the second level.
func headings(markdown string) []string {
	var found []string
	for line := range strings.Lines(markdown) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			found = append(found, strings.TrimSpace(title))
		}
	}
	return found
}
