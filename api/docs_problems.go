package api

import "net/http"

// explained is a kind of problem as the reference page explains it.
type explained struct {
	Kind     Problem
	Statuses []int
	Means    string
	Remedy   string // what the caller can do
}

// problems explains every kind. A problem's type points to its section.
var problems = []explained{
	{
		ProblemUnauthenticated,
		[]int{http.StatusUnauthorized},
		"There is no token, or it is not believed: forged, expired, for another audience, by another issuer. The detail says which.",
		"Send `Authorization: Bearer <token>` with a fresh token. To try again with the same one does not help.",
	},
	{
		ProblemForbidden,
		[]int{http.StatusForbidden},
		"The token is believed, but lacks the role that the operation asks for, or is not for the tenant. A tenant that does not exist looks the same as one that is not the token's.",
		"Ask whoever issues your tokens for the role, or leave out the parameter `tenant`.",
	},
	{
		ProblemSuspended,
		[]int{http.StatusForbidden},
		"An operator has suspended the tenant. Its data are kept and may be read; nothing is taken in.",
		"Ask the platform's operator. What was refused has to be sent again afterwards.",
	},
	{
		ProblemNotFound,
		[]int{http.StatusNotFound},
		"There is nothing at this path, or no such thing for this tenant. What belongs to another tenant is not found either.",
		"Check the path and the id. An event is found as soon as it has been accepted.",
	},
	{
		ProblemMethod,
		[]int{http.StatusMethodNotAllowed},
		"The path exists, but does not take this method.",
		"The header `Allow` lists the methods that it takes.",
	},
	{
		ProblemInvalid,
		[]int{
			http.StatusBadRequest, http.StatusRequestTimeout, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
		},
		"The request cannot be understood (400), its body did not arrive (408), is of a type that the operation does not take (415), or a field is not what it must be (422).",
		"`errors` names each field by its location, such as `body.items[0].price` or `query.limit`, and says what it must be. Change the request; after a 408, send it again.",
	},
	{
		ProblemTooLarge,
		[]int{
			http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge,
		},
		"The body (413), the path or the query (414), or the header (431) is longer than it may be.",
		"Send less at once: fewer events per request, or a feed, which may have any size.",
	},
	{
		ProblemConflict,
		[]int{http.StatusConflict},
		"The request contradicts what is there, or what is going on just now. The detail says what.",
		"Look at the current state and decide anew.",
	},
	{
		ProblemTooMany,
		[]int{http.StatusTooManyRequests},
		"The tenant sends more requests than it may, or has too many under way at once. Nothing was done.",
		"Wait for as many seconds as `Retry-After` says, then send the same request again. Batches need fewer requests.",
	},
	{
		ProblemUnavailable,
		[]int{http.StatusServiceUnavailable},
		"A service behind the API cannot work just now, or the answer took too long.",
		"Wait for as many seconds as `Retry-After` says, then send the same request again: events keep their ids, so that none counts twice.",
	},
	{
		ProblemBug,
		[]int{http.StatusInternalServerError},
		"The service failed, by no fault of the request. Its log says why.",
		"Tell the operator the time and the operation. To send the request again is safe.",
	},
}
