package qdrant_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRemoveTakesTheCollectionAndItsAliasOnly(t *testing.T) {
	url := startEmbedded(t)
	gone, kept := newFixture(t, url), newFixture(t, url)
	require.NoError(t, gone.client.Remove(t.Context()))
	require.ErrorContains(t, gone.client.Ready(t.Context()), "is gone")
	require.NoError(t, gone.client.Remove(t.Context()), "nothing is left: no error")
	require.NoError(t, kept.client.Ready(t.Context()))
	require.NoError(t, gone.client.Ensure(t.Context(), testModel, testSize), "it can be made anew")
}
