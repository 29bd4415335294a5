package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// describe takes an operation apart.
func describe(document *huma.OpenAPI, method, path string, operation *huma.Operation) operationDoc {
	schemas := schemaReader{document.Components.Schemas}
	doc := operationDoc{ID: operation.OperationID, Method: method, Path: path, Summary: operation.Summary}
	doc.Text, doc.Role = splitRole(operation.Description)
	for _, parameter := range operation.Parameters {
		field := schemas.field(parameter.Name, parameter.Schema, parameter.Required)
		field.In = parameter.In
		if parameter.Description != "" {
			field.Text = parameter.Description
		}
		doc.Parameters = append(doc.Parameters, field)
	}
	slices.SortStableFunc(doc.Parameters, func(a, b fieldDoc) int {
		return cmp.Or(slices.Index(places, a.In)-slices.Index(places, b.In), boolRank(b.Required)-boolRank(a.Required),
			boolRank(a.Name == tenantParameter)-boolRank(b.Name == tenantParameter)) // which few need
	})
	if operation.RequestBody != nil {
		doc.Bodies, doc.BodyText = schemas.contents(operation.RequestBody.Content), operation.RequestBody.Description
	}
	for status, response := range operation.Responses {
		doc.addResponse(schemas, status, response)
	}
	slices.SortFunc(doc.Answers, func(a, b answerDoc) int { return cmp.Compare(a.Status, b.Status) })
	slices.SortFunc(doc.Refusals, func(a, b refusalDoc) int { return a.Status - b.Status })
	doc.Curl = curl(doc)
	return doc
}

// places is the order in which parameters are shown.
var places = []string{"path", "query", "header"}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rolePrefix begins the last paragraph of a description: see register.
const rolePrefix = "Role: "

func splitRole(description string) (text, role string) {
	text, role, found := strings.Cut(description, rolePrefix)
	if !found {
		return description, ""
	}
	return strings.TrimSpace(text), strings.TrimSuffix(strings.TrimSpace(role), ".")
}

const problemType = "application/problem+json"

func (d *operationDoc) addResponse(schemas schemaReader, status string, response *huma.Response) {
	if _, refused := response.Content[problemType]; refused {
		if number := statusNumber(status); number > 0 {
			d.Refusals = append(d.Refusals, refusalDoc{number, kindsOf(number)})
		}
		return
	}
	answer := answerDoc{Status: status, Text: response.Description, Bodies: schemas.contents(response.Content)}
	for _, body := range answer.Bodies {
		for i := range body.Fields {
			body.Fields[i].Required = false // is for who writes a body
		}
	}
	for name, header := range response.Headers {
		field := schemas.field(name, header.Schema, false)
		field.Text = cmp.Or(header.Description, field.Text)
		answer.Headers = append(answer.Headers, field)
	}
	slices.SortFunc(answer.Headers, func(a, b fieldDoc) int { return cmp.Compare(a.Name, b.Name) })
	d.Answers = append(d.Answers, answer)
}

func statusNumber(status string) int {
	var number int
	if _, err := fmt.Sscanf(status, "%d", &number); err != nil {
		return 0 // "default"
	}
	return number
}

func kindsOf(status int) []Problem {
	var kinds []Problem
	for _, known := range problems {
		if slices.Contains(known.Statuses, status) {
			kinds = append(kinds, known.Kind)
		}
	}
	return kinds
}
