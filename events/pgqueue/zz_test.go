package pgqueue_test
import ("testing";"context";"time";"sync")
func TestZZ(t *testing.T){
 tr := openOn(t, cluster.pool(t, cluster.database(t)), topologyFor(t))
 const n=60000
 s:=time.Now()
 var wg sync.WaitGroup
 for range 4 { wg.Go(func(){ for range n/4/500 { if err:=tr.PublishBatch(context.Background(), batchTo("q",500));err!=nil{t.Error(err)} } }) }
 wg.Wait()
 t.Log("published", float64(n)/time.Since(s).Seconds())
 ch,_:=tr.Subscribe(context.Background(),"q")
 s=time.Now()
 for i:=range n { (<-ch).Ack(); if (i+1)%10000==0 { t.Log(i+1, 10000/time.Since(s).Seconds()); s=time.Now() } }
}
