package pgqueue_test
import ("testing";"context")
func TestZZ2(t *testing.T){
 ctx:=context.Background()
 pool:=cluster.pool(t, cluster.database(t))
 tr := openOn(t, pool, topologyFor(t))
 const n=20000
 for range n/500 { if err:=tr.PublishBatch(ctx, batchTo("q",500));err!=nil{t.Error(err)} }
 show:=func(sql string, args ...any){ rows,_:=pool.Query(ctx,"EXPLAIN (ANALYZE, BUFFERS) "+sql,args...); for rows.Next(){ v,_:=rows.Values(); t.Log(v[0])}; t.Log(rows.Err())}
 show("SELECT id FROM pgqueue.messages WHERE queue = 'q' AND owner IS NULL ORDER BY id LIMIT 256 FOR UPDATE SKIP LOCKED")
 show("UPDATE pgqueue.messages m SET owner = NULL FROM (SELECT id FROM pgqueue.messages WHERE queue = 'q' AND owner IS NULL ORDER BY id LIMIT 256 FOR UPDATE SKIP LOCKED) AS next WHERE m.queue='q' AND m.id=next.id")
 show("DELETE FROM pgqueue.messages m USING unnest(ARRAY['q','q'], ARRAY[1::bigint,2], ARRAY[0,0]) AS acked(queue, id, deliveries) WHERE m.queue = acked.queue AND m.id = acked.id AND m.deliveries = acked.deliveries")
}
