package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// curl writes a call of an operation that a shell understands. $API and $TOKEN are set as the page's beginning says.
func curl(doc operationDoc) string {
	var line strings.Builder
	line.WriteString("curl ")
	switch doc.Method {
	case http.MethodGet:
	case http.MethodHead:
		line.WriteString("--head ")
	default:
		line.WriteString("-X " + doc.Method + " ")
	}
	line.WriteString(`"$API"` + quoted(target(doc)))
	if doc.Role != "" {
		line.WriteString(" \\\n  -H \"Authorization: Bearer $TOKEN\"")
	}
	for _, parameter := range doc.Parameters {
		if parameter.In == "header" && parameter.Required {
			line.WriteString(" \\\n  -H " + quoted(parameter.Name+": "+valueOf(parameter)))
		}
	}
	if len(doc.Bodies) > 0 {
		body := doc.Bodies[0]
		line.WriteString(" \\\n  -H " + quoted("Content-Type: "+strings.ReplaceAll(body.Type, "*/*", "application/octet-stream")) + " \\\n  --data-binary ")
		if body.Example == "" {
			line.WriteString("@file")
		} else {
			line.WriteString(quoted(body.Example))
		}
	}
	return line.String()
}

// target is an operation's path and query with examples in place of what is required.
func target(doc operationDoc) string {
	path, query := doc.Path, url.Values{}
	for _, parameter := range doc.Parameters {
		switch {
		case parameter.In == "path":
			path = strings.NewReplacer(
				"{"+parameter.Name+"}", url.PathEscape(valueOf(parameter)), "{"+parameter.Name+"...}", valueOf(parameter),
			).Replace(path)
		case parameter.In == "query" && parameter.Required:
			query.Set(parameter.Name, valueOf(parameter))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// valueOf is an example of a parameter, or its name where there is none.
func valueOf(parameter fieldDoc) string {
	if parameter.Example != nil && parameter.Example != anyText {
		return fmt.Sprint(parameter.Example)
	}
	return strings.ToUpper(parameter.Name)
}

// quoted keeps a shell from reading anything into a text.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
