package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// console is where a verb reads and writes. Results go to out, everything else to err.
type console struct {
	in       io.Reader
	out, err io.Writer
	json     bool // one JSON object on out instead of tables
}

// isTerminal says whether a person looks at w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// print writes v as JSON, or calls table for people.
func (c *console) print(v any, table func(w io.Writer)) error {
	if c.json {
		encoder := json.NewEncoder(c.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(v)
	}
	tabs := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	table(tabs)
	return tabs.Flush()
}

// logger writes JSON lines to err, or lines for people where err is a terminal.
func (c *console) logger(level zerolog.Level) zerolog.Logger {
	writer := c.err
	if isTerminal(c.err) {
		writer = zerolog.ConsoleWriter{Out: c.err, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
	}
	return zerolog.New(writer).Level(level).With().Timestamp().Logger()
}

// say tells a person what happens next; programs that read JSON are not told.
func (c *console) say(format string, args ...any) {
	if !c.json {
		fmt.Fprintf(c.err, format+"\n", args...)
	}
}

// progress shows a bar for work of a known size on a terminal, and nothing elsewhere. Close it with Finish.
func (c *console) progress(total int64, what string, bytes bool) *progressbar.ProgressBar {
	options := []progressbar.Option{
		progressbar.OptionSetWriter(c.err), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionSetVisibility(isTerminal(c.err)),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(c.err) }),
	}
	if bytes {
		options = append(options, progressbar.OptionShowBytes(true))
	}
	return progressbar.NewOptions64(total, options...)
}
