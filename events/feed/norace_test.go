//go:build !race

package feed_test

// streamed is what the memory test reads.
const streamed = 200 << 20
