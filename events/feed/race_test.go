//go:build race

package feed_test

// streamed is what the memory test reads: under the race detector reading is 15 times slower.
const streamed = 32 << 20
