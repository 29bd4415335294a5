package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
)

// reference is the page of a service that serves all it has.
func (s *service) reference() string {
	answer := s.anonymous().get("/docs").ok(nil)
	require.Equal(s.t, "text/html; charset=utf-8", answer.header.Get("Content-Type"))
	return string(answer.body)
}

func TestReferenceShowsEveryOperation(t *testing.T) {
	s := serve(t)
	page := s.reference()
	var document struct {
		Paths map[string]map[string]struct {
			ID         string `json:"operationId"`
			Summary    string
			Parameters []struct{ Name string }
			Security   []any
			Tags       []string
		}
	}
	s.anonymous().get("/openapi.json").ok(&document)
	shown := 0
	for path, methods := range document.Paths {
		for method, operation := range methods {
			shown++
			_, rest, found := strings.Cut(page, `<article id="op-`+operation.ID+`"`)
			require.True(t, found, "%s %s has no section", method, path)
			section, _, _ := strings.Cut(rest, "</article>")
			require.Contains(t, page, `href="#op-`+operation.ID+`"`, "in the contents")
			require.Contains(t, section, ">"+strings.ToUpper(method)+"<")
			require.Contains(t, section, ">"+path+"<")
			require.Contains(t, section, "curl ")
			_, example, _ := strings.Cut(section, "<h4>Example</h4>")
			require.NotRegexp(t, regexp.MustCompile(`/\{[a-z.]+\}`), example, "%s %s: a part of the path is not described", method, path)
			for _, parameter := range operation.Parameters {
				require.Contains(t, section, "<code>"+parameter.Name+"</code>", "%s %s", method, path)
			}
			require.Len(t, operation.Tags, 1, "%s %s needs a tag", method, path)
			require.NotEmpty(t, operation.Summary, "%s %s", method, path)
			if len(operation.Security) > 0 {
				require.Contains(t, section, "role: ", "%s %s", method, path)
				require.Contains(t, section, `-H &#34;Authorization: Bearer $TOKEN&#34;`)
				require.Contains(t, section, `href="#problem-unauthenticated"`)
			} else {
				require.Contains(t, section, "no token")
			}
		}
	}
	require.Equal(t, shown, strings.Count(page, `<article id="op-`))
}

// kindsOfProblem reads the constants, so that none can be forgotten.
func kindsOfProblem(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "problem.go", nil, 0)
	require.NoError(t, err)
	var kinds []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Problem" {
			kind, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			kinds = append(kinds, kind)
		}
		return true
	})
	require.Greater(t, len(kinds), 5)
	return kinds
}

func TestReferenceExplainsEveryProblem(t *testing.T) {
	page := serve(t).reference()
	kinds := kindsOfProblem(t)
	for _, kind := range kinds {
		require.Contains(t, page, `<article id="problem-`+kind+`"`, "a problem's type leads to %s", kind)
	}
	require.Equal(t, len(kinds), strings.Count(page, `<article id="problem-`))
}

func TestReferenceLoadsNothingFromElsewhere(t *testing.T) {
	s := serve(t)
	answer := s.anonymous().get("/docs")
	require.Contains(t, answer.header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'")
	page := string(answer.body)
	require.NotContains(t, page, "<script")
	require.NotRegexp(t, regexp.MustCompile(`style=|onclick=|src=`), page)
	for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		switch target := link[1]; {
		case strings.HasPrefix(target, "#"):
			require.Contains(t, page, `id="`+target[1:]+`"`, "a link that leads nowhere")
		case target == "data:,":
		default:
			require.True(t, strings.HasPrefix(target, "/"), target)
			s.anonymous().get(target).ok(nil)
		}
	}
	ids := regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1)
	seen := map[string]bool{}
	for _, id := range ids {
		require.False(t, seen[id[1]], "%s is there twice", id[1])
		seen[id[1]] = true
	}
	require.Equal(t, "text/css; charset=utf-8", s.anonymous().get("/docs/page.css").header.Get("Content-Type"))
	s.anonymous().get("/docs/page.html").problem(http.StatusNotFound, api.ProblemNotFound)
}
