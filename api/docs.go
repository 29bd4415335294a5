package api

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// The reference page: rendered here from the OpenAPI document, without a script, so that it works in every browser, on
// paper, and in a network that reaches nothing else.

//go:embed docs
var docsFiles embed.FS

var docsTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"prose": prose, "lower": strings.ToLower, "statusText": http.StatusText,
}).ParseFS(docsFiles, "docs/page.html"))

const docsPolicy = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// registerDocs serves the OpenAPI document, and the reference page. Each is made once, when it is first asked for: anybody
// may ask, as often as they like.
func (s *Server) registerDocs() {
	s.serveOnce("/openapi.json", writeDocument("application/openapi+json"), func() ([]byte, error) { return json.Marshal(s.huma.OpenAPI()) })
	s.serveOnce("/openapi.yaml", writeDocument("application/openapi+yaml"), func() ([]byte, error) { return s.huma.OpenAPI().YAML() })
	s.serveOnce("/docs", writeAsset("text/html; charset=utf-8"), func() ([]byte, error) {
		var page bytes.Buffer
		err := docsTemplate.Execute(&page, s.reference())
		return page.Bytes(), err
	})
	s.mux.HandleFunc("GET /docs/page.css", func(w http.ResponseWriter, r *http.Request) {
		style, err := docsFiles.ReadFile("docs/page.css")
		if err != nil {
			http.NotFound(w, r) // it is embedded
			return
		}
		writeAsset("text/css; charset=utf-8")(w, style)
	})
}

// serveOnce serves what is made at the first request.
func (s *Server) serveOnce(path string, write func(http.ResponseWriter, []byte), render func() ([]byte, error)) {
	rendered := sync.OnceValues(render)
	s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		content, err := rendered()
		if err != nil {
			s.log.Error().Err(err).Str("path", path).Msg("render a page")
			http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
			return
		}
		write(w, content)
	})
}

// writeDocument answers with what only programs read.
func writeDocument(contentType string) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, content []byte) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content) // an error: the client has gone, nobody is left to tell
	}
}

// writeAsset answers with a part of the reference page.
func writeAsset(contentType string) func(http.ResponseWriter, []byte) {
	write := writeDocument(contentType)
	return func(w http.ResponseWriter, content []byte) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		w.Header().Set("Cache-Control", "no-cache")
		write(w, content)
	}
}

// reference is what the page shows.
type reference struct {
	Title, Text string
	Groups      []operationGroup
	Problems    []explained
}

type operationGroup struct {
	Name       string
	Operations []operationDoc
}

// operationDoc is an operation of the OpenAPI document, ready to be shown.
type operationDoc struct {
	ID, Method, Path, Summary, Text string
	Role                            string // empty = needs no token
	Parameters                      []fieldDoc
	Bodies                          []contentDoc
	BodyText                        string
	Answers                         []answerDoc
	Refusals                        []refusalDoc
	Curl                            string
}

// contentDoc is a body in one media type.
type contentDoc struct {
	Type    string
	Fields  []fieldDoc
	Example string
}

type answerDoc struct {
	Status, Text string
	Headers      []fieldDoc
	Bodies       []contentDoc
}

// refusalDoc is a status of problem documents, with the kinds that it may have.
type refusalDoc struct {
	Status int
	Kinds  []Problem
}

func (s *Server) reference() reference {
	document := s.huma.OpenAPI()
	byTag := map[string][]operationDoc{}
	for path, item := range document.Paths {
		for method, operation := range operationsOf(item) {
			tag := "other"
			if len(operation.Tags) > 0 {
				tag = operation.Tags[0]
			}
			byTag[tag] = append(byTag[tag], describe(document, method, path, operation))
		}
	}
	page := reference{Title: document.Info.Title, Text: document.Info.Description, Problems: problems}
	for tag, operations := range byTag {
		slices.SortFunc(operations, func(a, b operationDoc) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
		})
		page.Groups = append(page.Groups, operationGroup{tag, operations})
	}
	slices.SortFunc(page.Groups, func(a, b operationGroup) int {
		return cmp.Or(cmp.Compare(rankOf(a.Name), rankOf(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return page
}

// reading is the order in which one gets to know the API.
var reading = []string{"events", "runs", "properties", "documents"}

func rankOf(tag string) int {
	if tag == "health" {
		return len(reading) + 1
	}
	if rank := slices.Index(reading, tag); rank >= 0 {
		return rank
	}
	return len(reading)
}

func operationsOf(item *huma.PathItem) map[string]*huma.Operation {
	operations := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch,
		http.MethodDelete: item.Delete, http.MethodHead: item.Head,
	}
	for method, operation := range operations {
		if operation == nil || operation.Hidden {
			delete(operations, method)
		}
	}
	return operations
}

// prose makes paragraphs of a description: a blank line ends one, and backquotes are around code.
func prose(text string) template.HTML {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph == "" {
			continue
		}
		out.WriteString("<p>")
		for i, part := range strings.Split(paragraph, "`") {
			if i%2 == 1 {
				out.WriteString("<code>" + template.HTMLEscapeString(part) + "</code>")
			} else {
				out.WriteString(template.HTMLEscapeString(part))
			}
		}
		out.WriteString("</p>\n")
	}
	return template.HTML(out.String()) // every part of it is escaped above
}
