package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

// apiCall asks the API and returns status and body.
func apiCall(t *testing.T, method, url, token, body string) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, answer
}

// A platform admin does over the API what an operator does at the terminal, and nobody else may.
func TestTenantsLifeOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("worker", "all")
	at := w.start("api").apiURL + "/v1/tenants"
	token := func(args ...string) string {
		return strings.TrimSpace(w.ok(append([]string{"token", "--subject", "ann"}, args...)...))
	}
	admin := token("--platform", "--role", "admin")
	call := func(method, path, body string, want int, into any) {
		t.Helper()
		status, answer := apiCall(t, method, at+path, admin, body)
		require.Equal(t, want, status, string(answer))
		if into != nil {
			require.NoError(t, json.Unmarshal(answer, into), string(answer))
		}
	}
	for _, other := range []string{token("--tenant", w.tenant.String(), "--role", "admin,operator,reader"), token("--platform", "--role", "operator,reader")} {
		status, _ := apiCall(t, http.MethodGet, at, other, "")
		require.Equal(t, http.StatusForbidden, status)
	}

	var made store.Tenant
	call(http.MethodPost, "", `{"name":"umbrella","why":"signed today"}`, http.StatusCreated, &made)
	call(http.MethodPost, "", `{"name":"umbrella"}`, http.StatusConflict, nil)
	call(http.MethodPost, "", `{"name":""}`, http.StatusUnprocessableEntity, nil)
	call(http.MethodPost, "", `{"name":"x","lane":"nowhere"}`, http.StatusConflict, nil)
	var listed struct{ Items []store.Tenant }
	call(http.MethodGet, "", "", http.StatusOK, &listed)
	require.Len(t, listed.Items, 2)
	const count = 30
	w.backlog(made.ID, count)
	require.Eventually(t, func() bool {
		return w.number("SELECT count(*) FROM progress WHERE tenant_id = $1 AND outcome = 'done'", made.ID) == count
	}, time.Minute, 50*time.Millisecond)

	own := "/" + made.ID.String()
	call(http.MethodPost, own+"/suspend", `{}`, http.StatusUnprocessableEntity, nil)
	var changed struct {
		Tenant  store.Tenant
		Changed bool
	}
	call(http.MethodPost, own+"/suspend", `{"why":"invoice of March"}`, http.StatusOK, &changed)
	require.True(t, changed.Changed)
	require.Equal(t, store.TenantSuspended, changed.Tenant.State)
	tenant := token("--tenant", made.ID.String(), "--role", "reader,publisher")
	rest := strings.TrimSuffix(at, "tenants")
	require.Eventually(t, func() bool {
		status, _ := apiCall(t, http.MethodPost, rest+"events", tenant, "{}")
		return status == http.StatusForbidden
	}, 10*time.Second, 50*time.Millisecond)
	readable, _ := apiCall(t, http.MethodGet, rest+"properties", tenant, "")
	require.Equal(t, http.StatusOK, readable, "its data are its own")
	call(http.MethodPost, own+"/resume", `{"why":"they have paid"}`, http.StatusOK, &changed)
	require.Equal(t, store.TenantActive, changed.Tenant.State)
	var detail store.TenantDetail
	call(http.MethodGet, own, "", http.StatusOK, &detail)
	require.Equal(t, count, detail.Events)

	status, export := apiCall(t, http.MethodGet, at+own+"/export", admin, "")
	require.Equal(t, http.StatusOK, status)
	unzipped, err := gzip.NewReader(bytes.NewReader(export))
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, unzipped)
	require.NoError(t, err, "it is whole")

	call(http.MethodDelete, own+"?confirm=acme", "", http.StatusUnprocessableEntity, nil)
	call(http.MethodDelete, "/"+uuid.NewString()+"?confirm=x", "", http.StatusNotFound, nil)
	call(http.MethodDelete, "/"+uuid.Nil.String()+"?confirm=platform", "", http.StatusNotFound, nil)
	var erased store.Erasure
	call(http.MethodDelete, own+"?confirm=umbrella&why=contract+ended", "", http.StatusOK, &erased)
	require.True(t, erased.Complete)
	require.Empty(t, erased.Left)
	require.Zero(t, w.number("SELECT count(*) FROM progress WHERE tenant_id = $1", made.ID))
	require.Equal(t, 1, w.number("SELECT count(*) FROM audit WHERE tenant_id = $1 AND actor = 'ann' AND action = 'tenant.suspend' AND why = 'invoice of March'", made.ID))
}
