package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func decode(t *testing.T, stdout string, into any) {
	t.Helper()
	require.NoError(t, json.NewDecoder(strings.NewReader(stdout)).Decode(into), stdout)
}

func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	for _, child := range cmd.Commands() {
		if child.Name() == "help" {
			continue
		}
		visit(child)
		walk(child, visit)
	}
}

func TestEveryVerbHasHelpWithExamplesAndJSON(t *testing.T) {
	verbs := 0
	walk(newRoot(&console{out: io.Discard, err: io.Discard}), func(cmd *cobra.Command) {
		if cmd.HasSubCommands() {
			return
		}
		verbs++
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		require.Contains(t, cmd.Example, cmd.CommandPath(), "an example that shows the verb")
		require.NotNil(t, cmd.InheritedFlags().Lookup("json"), cmd.CommandPath())
		stdout, stderr, code := runReos(t, nil, append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		require.Equal(t, exitOK, code, stderr)
		require.Contains(t, stdout, "Examples:", cmd.CommandPath())
	})
	require.Greater(t, verbs, 10)
}

func TestExitCodesTellWhoseFaultItIs(t *testing.T) {
	nothing := []string{"HOME=" + t.TempDir()}
	for name, test := range map[string]struct {
		env    []string
		args   []string
		code   int
		says   string
		hidden string
	}{
		"no such verb":     {args: []string{"fly"}, code: exitInput, says: "fly"},
		"no such flag":     {args: []string{"status", "--fly"}, code: exitInput, says: "--help"},
		"no such stage":    {args: []string{"worker", "flying"}, code: exitInput, says: "must be one of ingestion"},
		"no stage":         {args: []string{"worker"}, code: exitInput, says: "--help"},
		"group alone":      {args: []string{"dlq"}, code: exitInput, says: "list, show"},
		"missing flag":     {args: []string{"search", "a"}, code: exitInput, says: "tenant"},
		"bad limit":        {args: []string{"search", "a", "--tenant", "x", "--limit", "0"}, code: exitInput, says: "--limit must be"},
		"bad id":           {args: []string{"dlq", "show", "seven"}, code: exitInput, says: "UUID"},
		"bad tenant id":    {args: []string{"tenant", "create", "x", "--id", "seven"}, code: exitInput, says: "UUID"},
		"name like an id":  {args: []string{"tenant", "create", "0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10"}, code: exitInput, says: "than a UUID"},
		"long name":        {args: []string{"tenant", "create", strings.Repeat("é", 200)}, code: exitInput, says: "255 bytes"},
		"nothing set":      {args: []string{"worker", "all"}, code: exitEnvironment, says: "set DATABASE_URL, RABBITMQ_URL, QDRANT_URL, S3_URL"},
		"nothing runs":     {args: []string{"status"}, code: exitEnvironment, says: "reos up"},
		"bad variable":     {env: []string{"WORKER_BATCH_SIZE=many"}, args: []string{"status"}, code: exitEnvironment, says: "WORKER_BATCH_SIZE"},
		"bad share":        {env: []string{"BREAKER_SHARE=many"}, args: []string{"status"}, code: exitEnvironment, says: "BREAKER_SHARE must be a number"},
		"kept too short":   {env: []string{"PROGRESS_RETENTION=24h", "RECEIPT_RETENTION=1h"}, args: []string{"status"}, code: exitEnvironment, says: "PROGRESS_RETENTION must be 0s (for ever) or 168h or more"},
		"kept apart":       {env: []string{"RECEIPT_RETENTION=1000h"}, args: []string{"status"}, code: exitEnvironment, says: "PROGRESS_RETENTION must not be shorter than RECEIPT_RETENTION"},
		"no time at all":   {env: []string{"API_REQUEST_TIMEOUT=0s"}, args: []string{"status"}, code: exitEnvironment, says: "API_REQUEST_TIMEOUT must be more than 0s"},
		"bad database URL": {env: []string{"DATABASE_URL=mysql://reos_app:hunter2@db/reos"}, args: []string{"tenant", "list"}, code: exitEnvironment, says: "DATABASE_URL", hidden: "hunter2"},
		"database is away": {env: []string{"DATABASE_URL=postgres://reos_app:hunter2@127.0.0.1:1/reos"}, args: []string{"tenant", "list"}, code: exitEnvironment, says: "127.0.0.1", hidden: "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := runReos(t, append(nothing, test.env...), test.args...)
			require.Equal(t, test.code, code, stderr)
			require.Contains(t, stderr, test.says)
			require.Empty(t, stdout)
			require.Equal(t, 1, strings.Count(strings.TrimSpace(stderr), "\n")+1, "one line: %s", stderr)
			if test.hidden != "" {
				require.NotContains(t, stderr, test.hidden)
			}
		})
	}
}
