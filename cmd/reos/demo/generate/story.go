package main

// stories publishes an agency's homes: each lives through one story, told as often as listed here.
func (f *feed) stories(a *agency) {
	for _, s := range []struct {
		times int
		story func(*home) fate
	}{
		{24, listed},
		{16, repriced},
		{14, sold},
		{8, repricedAndSold},
		{4, withdrawn},
		{6, removed},
		{2, relisted},
		{4, publishedTwice},
		{4, oldMessageAgain},
		{7, overtaken},
		{2, sameVersionTwice},
		{2, lateAfterDelete},
		{1, deleteFirst},
		{2, sequenced},
	} {
		for range s.times {
			h := f.home(a, a.nextKey())
			f.settle(h, s.story(h))
		}
	}
	shared := f.home(a, sharedKey)
	f.settle(shared, repriced(shared))
	f.treasure(a)
}

// treasure publishes the home that the agency's query must find.
func (f *feed) treasure(a *agency) {
	h := f.home(a, a.nextKey())
	h.record["PropertySubType"] = a.treasure.kind
	h.record["ArchitecturalStyle"] = []string{a.treasure.style}
	h.record["PublicRemarks"] = a.treasure.remarks
	h.record["WaterfrontYN"], h.record["PoolPrivateYN"] = a.treasure.waterfront, false
	a.ledger.Search = searchable{Query: a.treasure.query, TopKey: h.key}
	f.settle(h, listed(h))
}

// A story publishes what happens to a home and says what remains of it.

func listed(h *home) fate {
	h.tell("upserted")
	return indexed
}

func repriced(h *home) fate {
	h.tell("upserted")
	for range between(h.feed.random, 1, 2) {
		h.pass(10, 30)
		h.reprice()
		h.tell("upserted")
	}
	return indexed
}

func sold(h *home) fate {
	h.tell("upserted")
	h.pass(5, 20)
	h.status("Pending")
	h.tell("upserted")
	h.pass(20, 40)
	h.close()
	h.tell("upserted")
	return indexed
}

func repricedAndSold(h *home) fate {
	h.tell("upserted")
	h.pass(10, 30)
	h.reprice()
	h.tell("upserted")
	h.pass(4, 12)
	h.status("Active Under Contract")
	h.tell("upserted")
	h.pass(20, 40)
	h.close()
	h.tell("upserted")
	return indexed
}

func withdrawn(h *home) fate {
	h.tell("upserted")
	h.pass(30, 60)
	h.status("Withdrawn")
	h.tell("upserted")
	return indexed
}

func removed(h *home) fate {
	h.tell("upserted")
	h.pass(10, 50)
	h.tell("deleted")
	return deleted
}

// relisted: a delete is a version like any other, and a newer version follows it.
func relisted(h *home) fate {
	removed(h)
	h.pass(20, 40)
	h.reprice()
	h.tell("upserted")
	return indexed
}

// publishedTwice: the upstream did not see the confirm and published again.
func publishedTwice(h *home) fate {
	h.tell("upserted")
	h.sendAgain(h.last())
	h.pass(10, 30)
	h.reprice()
	h.tell("upserted")
	h.sendAgain(h.last())
	return indexed
}

// oldMessageAgain: the first message comes once more when a newer version is there. It is known, so it is no news
// that it is old.
func oldMessageAgain(h *home) fate {
	h.tell("upserted")
	first := h.last()
	h.pass(10, 30)
	h.reprice()
	h.tell("upserted")
	h.sendAgain(first)
	return indexed
}

// overtaken: the second version arrives behind the third.
func overtaken(h *home) fate {
	h.tell("upserted")
	h.pass(10, 20)
	h.reprice()
	second := h.say("upserted")
	h.pass(10, 20)
	h.reprice()
	h.tell("upserted")
	h.sendStale(second)
	return indexed
}

// sameVersionTwice: another event brings the very version that is there.
func sameVersionTwice(h *home) fate {
	h.tell("upserted")
	h.sendStale(h.say("upserted"))
	return indexed
}

// lateAfterDelete: a version from before the delete does not bring the home back.
func lateAfterDelete(h *home) fate {
	h.tell("upserted")
	h.pass(5, 10)
	h.reprice()
	late := h.say("upserted")
	h.pass(5, 10)
	h.tell("deleted")
	h.sendStale(late)
	return deleted
}

// deleteFirst: even where the delete is the first that is heard of a home.
func deleteFirst(h *home) fate {
	first := h.say("upserted")
	h.pass(5, 10)
	h.tell("deleted")
	h.sendStale(first)
	return deleted
}

// sequenced: two versions of the same second, told apart by their sequence; the older one comes again behind them.
func sequenced(h *home) fate {
	h.sequence = 1
	h.tell("upserted")
	h.sequence = 2
	h.reprice()
	between := h.say("upserted")
	h.sequence = 3
	h.status("Pending")
	h.tell("upserted")
	h.sendStale(between)
	return indexed
}
