package qdrant

import "context"

// Remove deletes the collection that the alias names, with all points, and with it the alias. A collection that the
// alias has left is kept. That there is nothing is no error. It is for installations that are made for a while only.
func (c *Client) Remove(ctx context.Context) error {
	var collection string
	err := call(ctx, "list aliases", func(ctx context.Context) error {
		aliases, err := c.api.ListAliases(ctx)
		for _, alias := range aliases {
			if alias.GetAliasName() == c.alias {
				collection = alias.GetCollectionName()
			}
		}
		return err
	})
	if err != nil || collection == "" {
		return err
	}
	return call(ctx, "delete collection "+collection, func(ctx context.Context) error {
		return c.api.DeleteCollection(ctx, collection)
	})
}
