package main

// workersAndStores is the second look: which worker, which store.
func workersAndStores() dashboard {
	instances := choose("instance", "Process", `label_values(up{job=~"reos|reos-api"}, instance)`, "")
	return board("reos-workers", "Workers and stores", "What the processes of reos and the stores below them do.",
		[]variable{instances},
		row{"Work", 8, 0, []panel{
			lines("Batch size by stage", "Messages of a batch. Bursts go in hundreds, a lone message at once.", "short", plain,
				query{`histogram_quantile(0.5, sum by (stage, le) (rate(reos_stage_batch_messages_bucket{instance=~"$instance"}[$__rate_interval])))`, "{{stage}} p50"},
				query{`histogram_quantile(0.95, sum by (stage, le) (rate(reos_stage_batch_messages_bucket{instance=~"$instance"}[$__rate_interval])))`, "{{stage}} p95"}),
			lines("Time of a batch by stage, p95", "From its first message in hand to its acks.", "s", plain,
				query{`histogram_quantile(0.95, sum by (stage, le) (rate(reos_stage_batch_seconds_bucket{instance=~"$instance"}[$__rate_interval])))`, "{{stage}}"}),
			stacked("Messages by outcome", "", "cps", query{`sum by (outcome) (rate(reos_stage_messages_total{instance=~"$instance"}[$__rate_interval]))`, "{{outcome}}"}),
		}},
		row{"Trouble", 8, 2, []panel{
			lines("Retries by stage and reason", "", "cps", plain,
				query{`sum by (stage, reason) (rate(reos_stage_messages_total{instance=~"$instance",outcome="retried"}[$__rate_interval])) > 0`, "{{stage}} {{reason}}"}),
			lines("Paused tenants by stage", "By an operator, or by the breaker.", "short", plain,
				query{`max by (stage, by) (reos_pauses)`, "{{stage}}, by {{by}}"}),
			lines("Batch in hand", "For how long, by lane. A line that rises is a worker that hangs.", "s", levels("green", from(600, "red")),
				query{`max by (stage, lane) (time() - (reos_lane_batch_began_timestamp_seconds{instance=~"$instance"} > 0))`, "{{stage}} {{lane}}"}),
			lines("Driven again by stage", "Unfinished events that stood still, and those that had not moved for four times.", "cps", plain,
				query{`sum by (stage) (rate(reos_redriven_events_total[$__rate_interval]))`, "{{stage}}"},
				query{`sum by (stage) (rate(reos_redriven_unmoved_events_total[$__rate_interval]))`, "{{stage}}, unmoved"}),
		}},
		row{"Broker", 8, 3, []panel{
			lines("Queues", "Messages that wait, by stage and lane.", "short", plain, query{`max by (stage, lane) (reos_queue_messages) > 0`, "{{stage}} {{lane}}"}),
			lines("Batches settled by lane", "", "cps", plain, query{`reos:lane_batches:rate5m > 0`, "{{stage}} {{lane}}"}),
			lines("Confirms", "From handing a batch over until every confirm is in.", "s", plain,
				query{`histogram_quantile(0.5, sum by (le) (rate(reos_publish_seconds_bucket{instance=~"$instance"}[$__rate_interval])))`, "p50"},
				query{`histogram_quantile(0.95, sum by (le) (rate(reos_publish_seconds_bucket{instance=~"$instance"}[$__rate_interval])))`, "p95"},
				query{`histogram_quantile(0.99, sum by (le) (rate(reos_publish_seconds_bucket{instance=~"$instance"}[$__rate_interval])))`, "p99"}),
			stacked("Published", "By what became of it.", "cps", query{`sum by (result) (rate(reos_published_messages_total{instance=~"$instance"}[$__rate_interval]))`, "{{result}}"}),
			number("Connections", "Missing, and blocked by an alarm of the broker.", "short", levels("green", from(1, "red")),
				query{`count(reos_broker_connected == 0) or vector(0)`, "missing"}, query{`sum(reos_broker_blocked) or vector(0)`, "blocked"}),
		}},
		row{"Postgres and Qdrant", 8, 3, []panel{
			lines("Pool: in use", "Share of the connections that the pool may open.", "percentunit", levels("green", from(1, "red")),
				query{`reos_postgres_pool_acquired_connections{instance=~"$instance"} / reos_postgres_pool_max_connections`, "{{instance}}"}),
			lines("Pool: open and free", "", "short", plain, query{`reos_postgres_pool_idle_connections{instance=~"$instance"}`, "{{instance}}"}),
			lines("Pool: callers in line", "On average. Above one for long, the pool is too small or Postgres too slow.", "short", levels("green", from(1, "red")),
				query{`rate(reos_postgres_pool_wait_seconds_total{instance=~"$instance"}[$__rate_interval])`, "{{instance}}"},
				query{`rate(reos_postgres_pool_cancelled_waits_total{instance=~"$instance"}[$__rate_interval]) > 0`, "{{instance}}, gave up per second"}),
			lines("Pool: hand-outs and waits", "", "cps", plain,
				query{`sum(rate(reos_postgres_pool_acquires_total{instance=~"$instance"}[$__rate_interval]))`, "handed out"},
				query{`sum(rate(reos_postgres_pool_waits_total{instance=~"$instance"}[$__rate_interval]))`, "after a wait"}),
			lines("Qdrant: requests", "By method.", "reqps", plain, query{`reos:qdrant_requests:rate5m > 0`, "{{method}}"}),
			lines("Qdrant: p95", "By method.", "s", levels("green", from(.5, "red")),
				query{`histogram_quantile(0.95, sum by (method, le) (rate(reos_qdrant_request_seconds_bucket{instance=~"$instance"}[$__rate_interval])))`, "{{method}}"}),
		}},
		row{"Proofs", 6, 4, []panel{
			lines("What the last comparison of the stores found", "", "short", plain, query{`max by (kind) (reos_reconcile_findings)`, "{{kind}}"}),
			lines("Failures of the isolation probe", "By layer.", "short", plain, query{`sum by (layer) (increase(reos_isolation_probe_failures_total[1h]))`, "{{layer}}"}),
			number("Last run", "Ago.", "s", plain,
				query{`time() - max(reos_redrive_run_timestamp_seconds > 0)`, "re-drive"},
				query{`time() - max(reos_reconcile_run_timestamp_seconds > 0)`, "comparison"},
				query{`time() - max(reos_isolation_probe_last_complete_timestamp_seconds > 0)`, "isolation probe"}),
			number("Tracker", "", "short", plain,
				query{`sum(reos_freshness_leader)`, "leaders"}, query{`max(reos_freshness_evaluation_seconds)`, "seconds of a look"}),
		}},
		row{"Processes", 8, 4, []panel{
			lines("CPU", "Cores in use.", "short", plain, query{`rate(process_cpu_seconds_total{instance=~"$instance",job=~"reos|reos-api"}[$__rate_interval])`, "{{instance}}"}),
			lines("Memory", "Resident.", "bytes", plain, query{`process_resident_memory_bytes{instance=~"$instance",job=~"reos|reos-api"}`, "{{instance}}"}),
			lines("Heap", "In use.", "bytes", plain, query{`go_memstats_heap_inuse_bytes{instance=~"$instance",job=~"reos|reos-api"}`, "{{instance}}"}),
			lines("Goroutines", "", "short", plain, query{`go_goroutines{instance=~"$instance",job=~"reos|reos-api"}`, "{{instance}}"}),
		}},
	)
}
