package embedded_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/embedded"
	"github.com/codybias9/real-estate-os/store/objects"
)

// BenchmarkS3PutArchive writes archives of 16 KiB, each synced to the disk before it is answered.
func BenchmarkS3PutArchive(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			server, err := embedded.StartS3(b.TempDir())
			require.NoError(b, err)
			defer server.Close()
			client, err := objects.Open(b.Context(), objects.Config{URL: server.URL()})
			require.NoError(b, err)
			defer client.Close()
			tenant, record := client.Tenant(uuid.New()), make([]byte, 16<<10)
			for i := range record {
				record[i] = byte(i * i >> 3)
			}
			var name atomic.Int64
			b.SetParallelism((writers + 1) / 2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := tenant.PutArchive(b.Context(), fmt.Sprint(name.Add(1)), [][]byte{record}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
