package api

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const (
	maxFaults     = 20
	maxFaultBytes = 300
)

// complete makes a problem document of ours of one that the library made: with a type, with a detail that names the
// first field, and without values, which may be as long as the body.
//
// It is a huma.Transformer.
func complete(_ huma.Context, _ string, answer any) (any, error) {
	document, ok := answer.(*huma.ErrorModel)
	if !ok || document.Type != "" {
		return answer, nil
	}
	document.Type = problemPath + string(kindOf(document.Status))
	document.Errors = document.Errors[:min(len(document.Errors), maxFaults)]
	for _, fault := range document.Errors {
		fault.Value = nil
		fault.Location, fault.Message = shorten(fault.Location), shorten(fault.Message)
	}
	switch {
	case document.Status == http.StatusRequestTimeout:
		document.Detail, document.Errors = bodyDetail, nil
	case len(document.Errors) > 0:
		document.Detail = strings.TrimSpace(document.Errors[0].Location + " " + document.Errors[0].Message)
	}
	return document, nil
}

func shorten(text string) string {
	if len(text) <= maxFaultBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxFaultBytes], "") + "…"
}

// kindOf says which problem the library means by a status.
func kindOf(status int) Problem {
	switch {
	case status == http.StatusNotFound:
		return ProblemNotFound
	case status == http.StatusRequestEntityTooLarge:
		return ProblemTooLarge
	case status < http.StatusInternalServerError:
		return ProblemInvalid
	}
	return ProblemBug
}

// badRequest is a problem with a part of the request that no operation has looked at yet.
func badRequest(location, must string) error {
	return problem(http.StatusBadRequest, ProblemInvalid, location+" "+must, &huma.ErrorDetail{Location: location, Message: must})
}

// refuseEncoding says what RFC 9110 §15.5.16 asks for: in which encoding a body is welcome.
func refuseEncoding() error {
	const location, must = "header.Content-Encoding", "must be left out or identity: send the body unpacked"
	return huma.ErrorWithHeaders(
		problem(http.StatusUnsupportedMediaType, ProblemInvalid, location+" "+must, &huma.ErrorDetail{Location: location, Message: must}),
		http.Header{"Accept-Encoding": {"identity"}})
}
