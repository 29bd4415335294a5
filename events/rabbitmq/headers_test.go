package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codybias9/real-estate-os/events"
)

// rawPublish publishes as a foreign client would.
func rawPublish(t testing.TB, queue string, publishing amqp.Publishing) {
	t.Helper()
	conn, err := amqp.Dial(sharedBroker(t))
	require.NoError(t, err)
	defer conn.Close()
	channel, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, channel.Confirm(false))
	confirm, err := channel.PublishWithDeferredConfirm("", queue, true, false, publishing)
	require.NoError(t, err)
	require.True(t, confirm.Wait())
}

// rawGet takes a message as a foreign client would.
func rawGet(t testing.TB, queue string) amqp.Delivery {
	t.Helper()
	conn, err := amqp.Dial(sharedBroker(t))
	require.NoError(t, err)
	defer conn.Close()
	channel, err := conn.Channel()
	require.NoError(t, err)
	var got amqp.Delivery
	require.Eventually(t, func() bool {
		d, ok, err := channel.Get(queue, true)
		require.NoError(t, err)
		got = d
		return ok
	}, patience, 5*time.Millisecond)
	return got
}

func receive(t testing.TB, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg, ok := <-messages:
		require.True(t, ok, "the subscription has ended")
		return msg
	case <-time.After(patience):
		require.FailNow(t, "no message came")
		return nil
	}
}

func everyType() amqp.Table {
	nested := amqp.Table{"list": []any{int64(1), "two", nil, amqp.Table{"deep": true}}, "raw": "\xff\xfe"}
	return amqp.Table{
		"string": "text", "empty": "", "true": true, "int8": int8(-8), "byte": byte(200), "int16": int16(-300),
		"uint16": uint16(60000), "int32": int32(-70000), "uint32": uint32(4_000_000_000), "int64": int64(math.MinInt64),
		"float32": float32(1.5), "float64": math.Pi,
		"decimal": amqp.Decimal{Scale: 2, Value: -12345}, "small": amqp.Decimal{Scale: 4, Value: 5},
		"time": time.Unix(1_700_000_000, 0), "far": time.Unix(math.MaxInt64/2, 0), "bytes": []byte{0, 255, 10},
		"nil": nil, "table": nested, "array": []any{nested, []byte("x")},
	}
}

func TestHeadersOfEveryTypeGoRound(t *testing.T) {
	transport := declared(t)
	queue := transport.topology.StageQueue(events.Quality, "a")
	sent := amqp.Publishing{
		Headers: everyType(), Body: []byte("body"), MessageId: "m1", ContentType: "text/x", ContentEncoding: "gzip",
		CorrelationId: "c1", ReplyTo: "r1", Type: "t1", AppId: "a1", Priority: 7, Expiration: "60000",
		Timestamp: time.Unix(1_600_000_000, 0), DeliveryMode: amqp.Persistent,
	}
	rawPublish(t, queue, sent)
	messages, err := transport.Subscribe(context.Background(), queue)
	require.NoError(t, err)
	msg := receive(t, messages)
	for name, want := range map[string]string{
		"string": "text", "empty": "", "true": "true", "int8": "-8", "byte": "200", "int16": "-300", "uint16": "60000",
		"int32": "-70000", "uint32": "4000000000", "int64": "-9223372036854775808", "float32": "1.5",
		"float64": "3.141592653589793", "decimal": "-123.45", "small": "0.0005",
		"time": "2023-11-14T22:13:20Z", "far": "4611686018427387903", "bytes": "AP8K", "nil": "",
		"table":                `{"list":[1,"two",null,{"deep":true}],"raw":"\ufffd\ufffd"}`,
		events.MetaContentType: "text/x", MetaContentEncoding: "gzip", MetaCorrelationID: "c1", MetaReplyTo: "r1",
		MetaType: "t1", MetaAppID: "a1", MetaPriority: "7", MetaExpiration: "60000", MetaTimestamp: "1600000000",
		events.MetaExchange: "", events.MetaRoutingKey: queue,
	} {
		got, ok := msg.Metadata[name]
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	require.Equal(t, "m1", msg.UUID)
	require.NotContains(t, msg.Metadata, MetaRedelivered)
	msg.Ack()

	msg.Metadata["int16"] = "changed"
	delete(msg.Metadata, "int8")
	require.NoError(t, transport.Publish(transport.topology.DeadLetterQueue(), msg))
	got := rawGet(t, transport.topology.DeadLetterQueue())
	want := everyType()
	want["int16"] = "changed"
	delete(want, "int8")
	delete(got.Headers, "x-delivery-count") // the broker's
	require.Equal(t, want, got.Headers)
	require.Equal(t, sent.CorrelationId, got.CorrelationId)
	require.Equal(t, sent.ContentEncoding, got.ContentEncoding)
	require.Equal(t, sent.Timestamp, got.Timestamp)
	require.Equal(t, sent.Priority, got.Priority)
	require.Equal(t, uint8(amqp.Persistent), got.DeliveryMode)
	require.Empty(t, got.Expiration)
}

// A message that claims a past, a place or a route of its own is believed nothing.
func TestForeignHeadersAreNotTrusted(t *testing.T) {
	transport := declared(t)
	queue := transport.topology.StageQueue(events.Quality, "a")
	rawPublish(t, queue, amqp.Publishing{Headers: amqp.Table{
		"x-death": "nonsense", "x-delivery-count": "19", "x-first-death-queue": int32(1), "x-last-death-reason": "r",
		"x-opt-anything": nil, events.MetaRoutingKey: "pretended", MetaTypedHeaders: "{", "BCC": []any{"nowhere"},
		"cloudEvents:id": "event-1", "x-own": "kept",
	}})
	messages, err := transport.Subscribe(context.Background(), queue)
	require.NoError(t, err)
	msg := receive(t, messages)
	require.Equal(t, "event-1", msg.UUID)
	require.Equal(t, message.Metadata{
		"cloudEvents:id": "event-1", "x-own": "kept", events.MetaExchange: "", events.MetaRoutingKey: queue,
	}, msg.Metadata)

	require.True(t, msg.Nack())
	again := receive(t, messages)
	require.Equal(t, "true", again.Metadata[MetaRedelivered])
	again.Ack()

	// CC as a string would close the publishing channel.
	again.Metadata["CC"], again.Metadata["x-death"] = queue, "forwarded"
	require.NoError(t, transport.Publish(transport.topology.DeadLetterQueue(), again))
	got := rawGet(t, transport.topology.DeadLetterQueue()).Headers
	delete(got, "x-delivery-count") // the broker's
	require.Equal(t, amqp.Table{"cloudEvents:id": "event-1", "x-own": "kept"}, got)
}

func TestMessagesWithoutIDGetOne(t *testing.T) {
	one, other := fromDelivery(&amqp.Delivery{}, 0), fromDelivery(&amqp.Delivery{}, 0)
	require.NotEmpty(t, one.UUID)
	require.NotEqual(t, one.UUID, other.UUID)
	require.Equal(t, "http", fromDelivery(&amqp.Delivery{Headers: amqp.Table{"ce-id": "http"}}, 0).UUID)
}

// Headers may be longer than the properties that they stand for. What came in must be able to go out again.
func TestWhateverComesCanBeSent(t *testing.T) {
	long := strings.Repeat("x", maxShortString+1)
	msg := fromDelivery(&amqp.Delivery{Headers: amqp.Table{"cloudEvents:id": long, "content-type": long}}, 0)
	require.NotEmpty(t, msg.UUID)
	require.Equal(t, long, msg.Metadata["cloudEvents:id"], "it is kept, and refused as what it is")
	_, _, err := toPublishing(msg)
	require.NoError(t, err)
}

// A copy has more headers than the message that came, and must fit into the same frames.
func TestHeadersLeaveRoomForThoseOfACopy(t *testing.T) {
	const frame = 128 << 10
	most := func() amqp.Table {
		headers := amqp.Table{"cloudEvents:id": "1", "reos-origin-key": "ours", "large": strings.Repeat("l", 80_000)}
		for i := range 3000 {
			headers[fmt.Sprintf("n%04d", i)] = int8(i)
		}
		return headers
	}
	all := fromDelivery(&amqp.Delivery{Headers: most()}, 0)
	_, size, err := toPublishing(all)
	require.NoError(t, err)
	require.Greater(t, size, frame-copyRoom)
	require.NotContains(t, all.Metadata, headerLeftOut)

	fitted := fromDelivery(&amqp.Delivery{Headers: most()}, frame)
	_, size, err = toPublishing(fitted)
	require.NoError(t, err)
	require.LessOrEqual(t, size, frame-copyRoom)
	require.Equal(t, "large", fitted.Metadata[headerLeftOut], "the longest, and no more than need be")
	require.Equal(t, "1", fitted.Metadata["cloudEvents:id"])

	fitted.Metadata["reos-error"] = strings.Repeat("e", 40_000)
	headers, err := toHeaders(fitted.Metadata)
	require.NoError(t, err)
	headers["more"] = strings.Repeat("m", 35_000)
	again := fromDelivery(&amqp.Delivery{Headers: headers}, frame)
	require.Equal(t, "ours", again.Metadata["reos-origin-key"])
	require.Contains(t, again.Metadata, "reos-error", "the pipeline's own are kept, however long")
	require.NotContains(t, again.Metadata, "more")
}

func TestBrokenTypedHeadersAreLeftOut(t *testing.T) {
	deep := strings.Repeat(`["A",[`, 100) + `["V",""]` + strings.Repeat(`]]`, 100)
	for _, text := range []string{
		encodeTyped(amqp.Table{"a": math.NaN(), "b": float32(math.Inf(-1))}), "", "{", "[]", "null", `{"a":1}`, `{"a":["I"]}`, `{"a":["I","x"]}`, `{"a":["I","99999999999"]}`, `{"a":["?","1"]}`,
		`{"a":["F",[["I","1"],["I","2"]]]}`, `{"a":["F","x"]}`, `{"a":["D","1"]}`, `{"a":["x","?"]}`, `{"a":` + deep + `}`,
	} {
		require.Empty(t, decodeTyped(text), text)
	}
	require.Equal(t, amqp.Table{"b": int64(1)}, decodeTyped(`{"a":["?","1"],"b":["l","1"]}`))
}

func FuzzDecodeTyped(f *testing.F) {
	f.Add(encodeTyped(everyType()))
	f.Fuzz(func(t *testing.T, text string) {
		require.NoError(t, decodeTyped(text).Validate(), "amqp091-go can send it")
	})
}

// field draws a header's value of any AMQP type.
func field(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Bool().AsAny(), rapid.Int8().AsAny(), rapid.Byte().AsAny(), rapid.Int16().AsAny(), rapid.Uint16().AsAny(),
		rapid.Int32().AsAny(), rapid.Uint32().AsAny(), rapid.Int64().AsAny(), rapid.Float32().AsAny(), rapid.Float64().AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(), rapid.Just[any](nil),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) any { return string(b) }),
		rapid.Map(rapid.Int64(), func(s int64) any { return time.Unix(s, 0) }),
		rapid.Map(rapid.Int32(), func(v int32) any { return amqp.Decimal{Scale: uint8(v), Value: v} }),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(field(depth-1), 0, 4), func(v []any) any { return v }),
			rapid.Map(rapid.MapOfN(rapid.StringN(0, 20, 60), field(depth-1), 0, 4), func(v map[string]any) any { return amqp.Table(v) }))
	}
	return rapid.OneOf(kinds...)
}

func TestTypedHeadersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		headers := amqp.Table{"h": field(3).Draw(t, "value")}
		back := decodeTyped(encodeTyped(headers))
		require.Equal(t, headers, back)
		require.Equal(t, render(headers["h"]), render(back["h"]))
		if _, isTable := headers["h"].(amqp.Table); isTable {
			require.True(t, json.Valid([]byte(render(headers["h"]))))
		}
	})
}
