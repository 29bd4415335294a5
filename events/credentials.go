package events

// Credentials are a tenant's own at the broker. They are handed out once, and kept nowhere.
//
// Invariant 9: no secret in logs. Printing them, in any format, shows the user's name only.
type Credentials struct {
	User     string
	Password string
	URL      string // to connect with, user and password included
}

func (c Credentials) String() string { return c.User }

// GoString keeps %#v from showing what String hides.
func (c Credentials) GoString() string { return "events.Credentials{" + c.User + "}" }

// MarshalText keeps JSON logging from showing what String hides.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.User), nil }
