package quality_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers/quality"
)

var update = flag.Bool("update", false, "rewrite docs/expectations.md")

const docsFile = "../../docs/expectations.md"

func TestExpectationsAreDocumented(t *testing.T) {
	want := documentation()
	if *update {
		require.NoError(t, os.WriteFile(docsFile, []byte(want), 0o644))
	}
	got, err := os.ReadFile(docsFile)
	require.NoError(t, err, "write it with: go test ./workers/quality -update")
	require.Equal(t, want, string(got), "out of date: go test ./workers/quality -update")
}

func documentation() string {
	var page strings.Builder
	page.WriteString(`# Expectations

What records are judged by. This page is written from the code (` + "`go test ./workers/quality -update`" + `); a test keeps it current.

A record that fails an expectation of severity *error* is quarantined; one that fails only *warnings* passes, and its verdict
keeps them. An expectation on a field that is absent says nothing, unless it is that the field must be present.

Two hold for every type: ` + "`document_readable`" + ` (error: the stored document is a JSON object) and ` + "`unknown_field_number`" + `
(warning: a number in a field that the contract does not know is ` + events.NumberMust + `; it is kept as text).
`)
	for _, record := range events.RecordTypes {
		suite := quality.Builtin(record)
		fmt.Fprintf(&page, "\n## %s: `%s`\n\n| expectation | severity | fields | must be |\n| --- | --- | --- | --- |\n", record, suite.Name)
		for _, e := range suite.Expectations {
			fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", e.Name, e.Severity, strings.Join(e.Fields, ", "), e.Limit)
		}
		page.WriteString("\nThe contract (errors, each where the field is there):\n\n| expectation | field | must be |\n| --- | --- | --- |\n")
		for _, e := range quality.Contract(record) {
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", e.Name, e.Fields[0], e.Limit)
		}
	}
	return page.String()
}
