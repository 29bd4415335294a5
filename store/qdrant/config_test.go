package qdrant_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

const secretKey = "s3cr3t-key"

func TestOpenTakesWhatIsRight(t *testing.T) {
	for _, url := range []string{
		"http://qdrant:6334", "http://qdrant", "http://127.0.0.1:6334/", "http://[::1]:6334", "https://qdrant.example:6334",
		"https://:" + secretKey + "@qdrant.example", "http://:" + secretKey + "@localhost:6334", "http://:" + secretKey + "@[::1]:6334",
	} {
		client, err := qdrant.Open(t.Context(), qdrant.Config{URL: url, Collection: "reos_properties"})
		require.NoError(t, err, url)
		require.NoError(t, client.Close())
		require.NoError(t, client.Close())
	}
}

func TestOpenNamesTheWrongVariable(t *testing.T) {
	for _, url := range []string{
		"", "qdrant:6334", "grpc://qdrant:6334", "http://", "http://qdrant:0", "http://qdrant:65536", "http://qdrant:" + secretKey,
		"https://" + secretKey + "@qdrant", "http://:" + secretKey + "@qdrant:6334", "https://qdrant?api-key=" + secretKey,
		"https://qdrant/" + secretKey, "https://:" + secretKey + "/@qdrant",
	} {
		_, err := qdrant.Open(t.Context(), qdrant.Config{URL: url, Collection: "reos_properties"})
		require.ErrorContains(t, err, "QDRANT_URL must be", url)
		require.NotContains(t, err.Error(), secretKey, "invariant 9")
		require.NotErrorIs(t, err, store.ErrUnavailable)
	}
	for _, collection := range []string{"", "a/b", "*", "_x"} {
		_, err := qdrant.Open(t.Context(), qdrant.Config{URL: "http://qdrant:6334", Collection: collection})
		require.ErrorContains(t, err, "QDRANT_COLLECTION must be", collection)
	}
}

func TestInvariant9ConfigPrintsRedacted(t *testing.T) {
	for _, url := range []string{
		"https://:" + secretKey + "@qdrant:6334", "https://" + secretKey + "@qdrant", secretKey + "@qdrant:6334", "https://:" + secretKey + "/@q",
		"https://qdrant/?key=" + secretKey, "https:" + secretKey,
	} {
		config := qdrant.Config{URL: url, Collection: "reos_properties"}
		encoded, err := json.Marshal(map[string]any{"value": config, "pointer": &config})
		require.NoError(t, err)
		printed := fmt.Sprintf("%v %+v %#v %s %q %v %s", config, config, config, config, config, &config, encoded)
		require.NotContains(t, printed, secretKey, url)
		require.Contains(t, printed, "reos_properties")
	}
	require.Equal(t, "QDRANT_URL=https://:redacted@qdrant:6334 QDRANT_COLLECTION=c",
		qdrant.Config{URL: "https://:" + secretKey + "@qdrant:6334", Collection: "c"}.String())
}
