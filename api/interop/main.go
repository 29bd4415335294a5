// Program interop publishes to reos' API with the CloudEvents project's own SDK, which knows nothing of reos: in binary
// mode, in structured mode, and as a batch. It is a module of its own, so that reos does not depend on the SDK.
//
//	REOS_TOKEN=$(reos token --tenant acme --role publisher) go run . http://127.0.0.1:8080/v1/events
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

func main() {
	if len(os.Args) != 2 || os.Getenv("REOS_TOKEN") == "" {
		fmt.Fprintln(os.Stderr, "usage: REOS_TOKEN=<token> interop URL")
		os.Exit(2)
	}
	if err := publish(context.Background(), os.Args[1], os.Getenv("REOS_TOKEN")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func publish(ctx context.Context, url, token string) error {
	client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(url), cloudevents.WithHeader("Authorization", "Bearer "+token))
	if err != nil {
		return fmt.Errorf("make the client: %w", err)
	}
	for mode, encoding := range map[string]func(context.Context) context.Context{
		"binary": cloudevents.WithEncodingBinary, "structured": cloudevents.WithEncodingStructured,
	} {
		if result := client.Send(encoding(ctx), home("sdk-"+mode)); !cloudevents.IsACK(result) {
			return fmt.Errorf("publish in %s mode: %w", mode, result)
		}
	}
	request, err := cloudevents.NewHTTPRequestFromEvents(ctx, url, []cloudevents.Event{home("sdk-batch-1"), home("sdk-batch-2")})
	if err != nil {
		return fmt.Errorf("make the batch: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("publish a batch: %w", err)
	}
	defer response.Body.Close() // only its status counts
	if response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("publish a batch: the answer is %s", response.Status)
	}
	return nil
}

// home is an event that makes a property searchable. Its key is its id.
func home(id string) cloudevents.Event {
	event := cloudevents.NewEvent()
	event.SetID(id)
	event.SetSource("interop")
	event.SetType("reos.property.upserted.v1")
	event.SetSubject(id)
	_ = event.SetData(cloudevents.ApplicationJSON, map[string]any{ // of these values, it always can be encoded
		"ListingKey": id, "ModificationTimestamp": "2026-11-01T10:00:00Z", "StandardStatus": "Active", "ListPrice": 525000,
		"UnparsedAddress": "12 Hill Street, Kirkland, WA 98033", "City": "Kirkland", "BedroomsTotal": 3,
	})
	return event
}
