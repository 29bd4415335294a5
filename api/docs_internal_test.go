package api

import (
	"net/http"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProseEscapesAll(t *testing.T) {
	require.Equal(t, "<p>a &lt;b&gt; <code>&lt;i&gt;</code></p>\n<p>c</p>\n", string(prose("a <b> `<i>`\n\nc\n\n")))
	require.Empty(t, string(prose("")))
}

// A shell must read an example as it is shown, whatever is in it.
func TestCurlExamplesAreQuoted(t *testing.T) {
	line := curl(operationDoc{
		Method: http.MethodPut, Path: "/v1/things/{key}", Role: "publisher",
		Parameters: []fieldDoc{
			{Name: "key", In: "path", Required: true, Example: "a/b 'c'"},
			{Name: "q", In: "query", Required: true, Example: "$(id) & more"},
			{Name: "left_out", In: "query"},
			{Name: "If-Match", In: "header", Required: true, Example: `"e"`},
		},
		Bodies: []contentDoc{{Type: "text/plain", Example: "it's $HOME `id`"}},
	})
	script := `curl() { printf '%s\n' "$@"; }; API=http://api; TOKEN=t; ` + line
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
	require.NoError(t, err)
	require.Equal(t, `-X
PUT
http://api/v1/things/a%2Fb%20%27c%27?q=%24%28id%29+%26+more
-H
Authorization: Bearer t
-H
If-Match: "e"
-H
Content-Type: text/plain
--data-binary
it's $HOME `+"`id`\n", string(out))
}
