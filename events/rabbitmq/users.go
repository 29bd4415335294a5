package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/google/uuid"
	rabbithole "github.com/michaelklishin/rabbit-hole/v3"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// Users gives tenants users of their own at the broker, over the management plugin's HTTP API. Nothing else needs that
// plugin. It is safe for concurrent use, and idempotent in all that it does.
//
// Invariant 4: such a user can publish to the intake, under its tenant's routing keys, and nothing more. The broker
// checks the exchange by the user's permission, and the key by its topic permission.
type Users struct {
	endpoint       string // of the HTTP API, without user and password
	user, password string // ours
	broker         url.URL
	vhost          string
	topology       events.Topology
}

// errManagementURL says nothing of the value, which holds a password.
var errManagementURL = errors.New("RABBITMQ_MANAGEMENT_URL must be http://user:password@host:port, or https://, " +
	"of a user with the tag administrator")

// NewUsers checks the configuration and does no I/O. Tenants connect to the host and the virtual host of RABBITMQ_URL.
func NewUsers(config Config, topology events.Topology) (*Users, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	at, err := url.Parse(config.ManagementURL)
	if err != nil || at.Host == "" || at.User == nil || (at.Scheme != "http" && at.Scheme != "https") {
		return nil, errManagementURL
	}
	password, _ := at.User.Password()
	uri, err := amqp.ParseURI(config.URL)
	if err != nil {
		return nil, err // check has parsed it
	}
	broker, err := url.Parse(config.URL)
	if err != nil {
		return nil, errors.New("RABBITMQ_URL cannot be read as a URL")
	}
	u := &Users{
		endpoint: at.Scheme + "://" + at.Host + at.Path, user: at.User.Username(), password: password,
		broker: *broker, vhost: uri.Vhost, topology: topology,
	}
	u.broker.RawQuery = "" // it may hold paths of our own certificates
	return u, nil
}

// nobody is the permission for nothing: no name matches.
const nobody = "^$"

// Grant makes the tenant's user, or gives it a new password: whoever is connected with the old one is cut off. A user
// that may not publish is made so, too. The topic permission comes before the permission: at no moment may the user
// publish under another's key.
func (u *Users) Grant(ctx context.Context, tenant uuid.UUID, mayPublish bool) (events.Credentials, error) {
	password := rand.Text()
	client, done, err := u.client(ctx)
	if err != nil {
		return events.Credentials{}, err
	}
	defer done()
	name := u.name(tenant)
	err = first(ctx,
		func() (*http.Response, error) { // Invariant 9: only a hash is sent
			return client.PutUser(name, rabbithole.UserSettings{
				PasswordHash:     rabbithole.Base64EncodedSaltedPasswordHashSHA256(password),
				HashingAlgorithm: rabbithole.HashingAlgorithmSHA256,
			})
		},
		func() (*http.Response, error) {
			return client.UpdateTopicPermissionsIn(u.vhost, name, rabbithole.TopicPermissions{
				Exchange: u.topology.Intake(), Write: events.IntakeKeys(tenant), Read: nobody,
			})
		},
		u.permit(client, name, mayPublish),
		u.cutOff(client, name),
	)
	if err != nil {
		return events.Credentials{}, fmt.Errorf("make the broker user of tenant %s: %w", tenant, err)
	}
	to := u.broker
	to.User = url.UserPassword(name, password)
	return events.Credentials{User: name, Password: password, URL: to.String()}, nil
}

// Permit says whether the tenant's user may publish. Whoever is connected as it is cut off: the broker remembers what a
// channel may do. A user that does not exist is an error.
func (u *Users) Permit(ctx context.Context, tenant uuid.UUID, mayPublish bool) error {
	client, done, err := u.client(ctx)
	if err != nil {
		return err
	}
	defer done()
	name := u.name(tenant)
	if err := first(ctx, u.permit(client, name, mayPublish), u.cutOff(client, name)); err != nil {
		return fmt.Errorf("change what the broker user of tenant %s may do: %w", tenant, err)
	}
	return nil
}

// Remove deletes the tenant's user, and cuts off whoever is connected as it. That there is none is no error.
func (u *Users) Remove(ctx context.Context, tenant uuid.UUID) error {
	client, done, err := u.client(ctx)
	if err != nil {
		return err
	}
	defer done()
	name := u.name(tenant)
	err = first(ctx, func() (*http.Response, error) { return client.DeleteUser(name) }, u.cutOff(client, name))
	if err != nil {
		return fmt.Errorf("delete the broker user of tenant %s: %w", tenant, err)
	}
	return nil
}

// Exists says whether the tenant has a user.
func (u *Users) Exists(ctx context.Context, tenant uuid.UUID) (bool, error) {
	client, done, err := u.client(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	_, err = client.GetUser(u.name(tenant))
	var answer rabbithole.ErrorResponse
	switch {
	case errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for the broker user of tenant %s: %w", tenant, err)
	}
	return true, nil
}

// name is the user's name at the broker, where users belong to all virtual hosts.
func (u *Users) name(tenant uuid.UUID) string { return u.topology.Namespace + "." + tenant.String() }

func (u *Users) permit(client *rabbithole.Client, name string, mayPublish bool) func() (*http.Response, error) {
	permissions := rabbithole.Permissions{Configure: nobody, Write: nobody, Read: nobody}
	if mayPublish {
		permissions.Write = "^" + regexp.QuoteMeta(u.topology.Intake()) + "$"
	}
	return func() (*http.Response, error) { return client.UpdatePermissionsIn(u.vhost, name, permissions) }
}

func (u *Users) cutOff(client *rabbithole.Client, name string) func() (*http.Response, error) {
	return func() (*http.Response, error) { return client.CloseAllConnectionsOfUser(name) }
}

// first makes requests up to the first that fails. All of them may be made again, and are: the broker answers with a fault of
// its own when it is to close a connection that ends by itself at the same moment.
func first(ctx context.Context, requests ...func() (*http.Response, error)) error {
	for _, request := range requests {
		var pause backoff
		for attempt := 1; ; attempt++ {
			response, err := request()
			if err == nil {
				if err := response.Body.Close(); err != nil {
					return err
				}
				break
			}
			var answer rabbithole.ErrorResponse
			if !errors.As(err, &answer) || answer.StatusCode < http.StatusInternalServerError || attempt == managementAttempts {
				return err
			}
			pause.sleep(ctx)
		}
	}
	return nil
}

// client is a client whose requests end with ctx, and within managementTimeout: the library knows nothing of contexts.
func (u *Users) client(ctx context.Context) (client *rabbithole.Client, done func(), err error) {
	client, err = rabbithole.NewClient(u.endpoint, u.user, u.password)
	if err != nil {
		return nil, nil, errManagementURL
	}
	ctx, done = context.WithTimeout(ctx, managementTimeout)
	client.SetTransport(bound{ctx})
	return client, done, nil
}

const (
	managementTimeout  = 30 * time.Second
	managementAttempts = 5
)

// bound is a round tripper whose requests end with a context.
type bound struct{ ctx context.Context }

func (b bound) RoundTrip(request *http.Request) (*http.Response, error) {
	return http.DefaultTransport.RoundTrip(request.WithContext(b.ctx))
}
