package main

// names gives series of a tenant its name. `tenant` is the worst-off tenants and `other`.
const names = ` * on (tenant) group_left (name) (max by (tenant, name) (reos_tenant_info) or label_replace(label_replace(vector(1), "tenant", "other", "", ""), "name", "other", "", ""))`

// overview is the first look: is the data fresh, does the pipeline succeed, and where does it wait.
func overview() dashboard {
	tenants := choose("tenant", "Tenant", "query_result(max by (name, tenant) (reos_tenant_info))", `/name="(?<text>[^"]+)".*tenant="(?<value>[^"]+)"/`)
	return board("reos-overview", "Pipeline overview", "Freshness, success, throughput and lag of the pipeline, by tenant and stage.",
		[]variable{tenants},
		row{"Is all well?", 4, 6, []panel{
			number("Tenants by state", "What the states mean: docs/runbooks/freshness-late.md.", "short", plain,
				query{`max by (state) (reos_freshness_tenants)`, "{{state}}"}),
			number("Success, last hour", "Share of events that ended without a dead letter. Target 95 %.", "percentunit",
				levels("red", from(.8, "orange"), from(.9, "yellow"), from(.95, "green")),
				query{`1 - reos:sli_bad:ratio1h{sli="success_rate"}`, "success"}),
			number("API, last hour", "Availability and share of answers without a server error. Target 99.9 % each.", "percentunit",
				levels("red", from(.99, "orange"), from(.995, "yellow"), from(.999, "green")),
				query{`1 - reos:sli_bad:ratio1h{sli="api_availability"}`, "available"},
				query{`1 - reos:sli_bad:ratio1h{sli="api_errors"}`, "without errors"}),
			number("Unfinished events", "Accepted and on their way, of all tenants.", "short", plain,
				query{`sum by (entry) (max by (tenant, stage, entry) (reos_unfinished_events))`, "{{entry}}"}),
			number("Alerts that fire", "", "short", levels("green", from(1, "red")),
				query{`sum by (severity) (count by (alertname, severity) (ALERTS{alertstate="firing"})) or vector(0)`, "{{severity}}"}),
			number("Tracker looked", "Ago. Where nobody looks, the rest of this row is old.", "s", levels("green", from(60, "yellow"), from(120, "red")),
				query{`time() - max(reos_freshness_evaluated_timestamp_seconds)`, "ago"}),
		}},
		row{"Freshness", 9, 0, []panel{
			wide(14, lines("Oldest unfinished work, by tenant", "By what the state is judged. No line: nothing waits. The marks are the defaults; tenants may have their own.",
				"s", levels("green", from(2*3600, "yellow"), from(4*3600, "orange"), from(8*3600, "red")),
				query{`(time() - min by (tenant) (max by (tenant, stage) (reos_freshness_oldest_timestamp_seconds{tenant=~"$tenant"})))` + names, "{{name}}"})),
			wide(10, table("Not fresh, by tenant and stage", "Now.", []string{"Value"},
				query{`max by (tenant, stage, state) (reos_freshness_state{tenant=~"$tenant",state!="fresh"})` + names, ""})),
		}},
		row{"Success", 8, 0, []panel{
			lines("Success by tenant, last hour", "Absent where too few events ended.", "percentunit", levels("red", from(.8, "orange"), from(.9, "yellow"), from(.95, "green")),
				query{`max by (tenant) (reos_success_ratio{tenant=~"$tenant",window="1h"})` + names, "{{name}}"}),
			lines("Quarantined by tenant, last hour", "The source's fault: beside success, not in it.", "percentunit", plain,
				query{`max by (tenant) (reos_quarantined_ratio{tenant=~"$tenant",window="1h"})` + names, "{{name}}"}),
			stacked("Events that ended, by outcome", "", "cps", query{`sum by (outcome) (rate(reos_ended_events_total[$__rate_interval]))`, "{{outcome}}"}),
		}},
		row{"Throughput and lag", 8, 0, []panel{
			lines("Throughput by stage", "Messages settled, retries not among them.", "cps", plain,
				query{`sum by (stage) (rate(reos_stage_messages_total{outcome!="retried"}[$__rate_interval]))`, "{{stage}}"}),
			lines("Lag by stage", "Since the acceptance of the live event that waits longest.", "s", plain,
				query{`time() - min by (stage) (max by (tenant, stage) (reos_oldest_accepted_timestamp_seconds{tenant=~"$tenant",entry="live"}))`, "{{stage}}"}),
			lines("Backlog by stage", "Messages that wait in the broker, those put aside among them.", "short", plain,
				query{`sum by (stage) (max by (stage, lane) (reos_queue_messages))`, "{{stage}}"}),
		}},
		row{"From event to searchable", 9, 0, []panel{
			wide(14, heat("From event to searchable", "Live events: from the event's own time to the moment when search finds its record.", "s",
				`sum by (le) (increase(reos_event_to_searchable_seconds_bucket{entry="live"}[$__rate_interval]))`)),
			wide(10, lines("From event to searchable, quantiles", "Live events. What lies between the p95 and the p95 since acceptance is the upstream's.", "s", plain,
				query{`histogram_quantile(0.5, sum by (le) (rate(reos_event_to_searchable_seconds_bucket{entry="live"}[$__rate_interval])))`, "p50"},
				query{`histogram_quantile(0.95, sum by (le) (rate(reos_event_to_searchable_seconds_bucket{entry="live"}[$__rate_interval])))`, "p95"},
				query{`histogram_quantile(0.99, sum by (le) (rate(reos_event_to_searchable_seconds_bucket{entry="live"}[$__rate_interval])))`, "p99"},
				query{`histogram_quantile(0.95, sum by (le) (rate(reos_acceptance_to_searchable_seconds_bucket{entry="live"}[$__rate_interval])))`, "p95 since acceptance"})),
		}},
		row{"Dead letters and search", 8, 0, []panel{
			stacked("Dead letters per hour, by reason", "What each reason means: docs/runbooks/reasons.md.", "short",
				query{`reos:dead_letters:increase1h > 0`, "{{reason}}"}),
			lines("Vector search", "Time of one search in Qdrant.", "s", plain,
				query{`histogram_quantile(0.5, sum by (le) (rate(reos_qdrant_request_seconds_bucket{method="Query"}[$__rate_interval])))`, "p50"},
				query{`histogram_quantile(0.95, sum by (le) (rate(reos_qdrant_request_seconds_bucket{method="Query"}[$__rate_interval])))`, "p95"},
				query{`histogram_quantile(0.99, sum by (le) (rate(reos_qdrant_request_seconds_bucket{method="Query"}[$__rate_interval])))`, "p99"}),
			lines("API, p95 by route", "Target 500 ms over all.", "s", levels("green", from(.5, "yellow"), from(.75, "orange"), from(1, "red")),
				query{`histogram_quantile(0.95, sum by (route, le) (rate(reos_api_request_seconds_bucket[$__rate_interval])))`, "{{route}}"}),
		}},
		row{"Data", 8, 0, []panel{
			bars("Coverage", "Share of the chosen tenants' records that have the field: the mean of the tenants.", levels("red", from(.5, "yellow"), from(.9, "green")),
				query{`avg by (field) (max by (tenant, field) (reos_coverage_ratio{tenant=~"$tenant"}))`, "{{field}}"}),
			lines("Sources", "By whether they gave a sign of life in time.", "short", plain,
				query{`max by (alive) (reos_sources)`, "alive: {{alive}}"}),
		}},
	)
}
