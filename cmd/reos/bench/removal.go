package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// removeBucket removes a bucket with all it holds. That there is none is no error.
func removeBucket(ctx context.Context, location string) error {
	parsed, err := url.Parse(location)
	if err != nil {
		return errors.New("read S3_URL")
	}
	secret, _ := parsed.User.Password()
	client, err := minio.New(parsed.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(parsed.User.Username(), secret, ""),
		Secure: parsed.Scheme == "https", Region: parsed.Query().Get("region"),
	})
	if err != nil {
		return fmt.Errorf("open S3 to remove the bucket: %w", err)
	}
	bucket := strings.TrimPrefix(parsed.Path, "/")
	if found, err := client.BucketExists(ctx, bucket); err != nil || !found {
		return err
	}
	objects := client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true})
	for failure := range client.RemoveObjects(ctx, bucket, objects, minio.RemoveObjectsOptions{}) {
		return fmt.Errorf("remove object %s: %w", failure.ObjectName, failure.Err)
	}
	return client.RemoveBucket(ctx, bucket)
}

// removeTopology removes a namespace's queues, with what they hold, and exchanges.
func removeTopology(brokerURL string, topology events.Topology) error {
	conn, err := amqp.Dial(brokerURL)
	if err != nil {
		return fmt.Errorf("connect to remove the queues: %w", err)
	}
	defer conn.Close()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	for _, queue := range topology.Queues() {
		if _, err := channel.QueueDelete(queue.Name, false, false, false); err != nil {
			return fmt.Errorf("delete queue %s: %w", queue.Name, err)
		}
	}
	for _, exchange := range topology.Exchanges() {
		if err := channel.ExchangeDelete(exchange.Name, false, false); err != nil {
			return fmt.Errorf("delete exchange %s: %w", exchange.Name, err)
		}
	}
	return nil
}
