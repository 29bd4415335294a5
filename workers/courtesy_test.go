package workers

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// entered says whether a part gets in without waiting for another to leave.
func entered(c *Courtesy, lane string, messages int) bool {
	in := false
	go func() { c.Enter(lane, messages); in = true }()
	synctest.Wait()
	return in
}

func TestHeavyPartsGoOneByOneBesideLiveEventsOfAnotherLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCourtesy()
		leave := c.Enter("a", 500)
		require.True(t, entered(c, "a", 500), "nobody is owed anything")
		require.True(t, entered(c, "a", 1))
		require.True(t, entered(c, "a", 500), "its own lane's light parts do not count")
		leave()
		leave()
		require.True(t, entered(c, "b", 1))
		waiting := false
		go func() { c.Enter("a", 500); waiting = true }()
		synctest.Wait()
		require.False(t, waiting, "one is in already")
		require.True(t, entered(c, "b", 1), "light parts never wait")
		leave()
		synctest.Wait()
		require.True(t, waiting)

		time.Sleep(courtesyFor)
		require.True(t, entered(c, "a", 500), "the live events have ended")
	})
}

func TestNoCourtesyNoWait(t *testing.T) {
	var c *Courtesy
	c.Enter("b", 1)()
	c.Enter("a", 500)()
	c.Enter("a", 500)()
}
