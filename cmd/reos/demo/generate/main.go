// Command generate writes the demo's feed: feed.ndjson, the messages that two agencies publish, and expected.json,
// what the feed calls for. It is run by `go generate ./cmd/reos/demo` and always writes the same.
//
// What is expected is counted while the messages are made, by what each of them is meant to be: nothing of the
// pipeline is asked. Reading order: agency.go (who), home.go (what), story.go (what happens to a home), flaw.go
// (records to be quarantined), broken.go (messages to be dead), other.go (other records), message.go (how it is
// written), feed.go (all of it together).
package main

import (
	"fmt"
	"os"
)

func main() {
	feed, expected, err := generate()
	if err == nil {
		err = write("feed.ndjson", feed)
	}
	if err == nil {
		err = write("expected.json", expected)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write(name string, content []byte) error { return os.WriteFile(name, content, 0o644) }
