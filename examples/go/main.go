// An app that processes orders: steps that are retried, a sleep, a wait for another event.
//
//	INNGEST_DEV=http://127.0.0.1:8288 go run .
//
// It listens on port 3000 (PORT), the server finds its functions at /api/inngest.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/inngest/inngestgo"
	"github.com/inngest/inngestgo/step"
)

type Order struct {
	Order string `json:"order"`
	Items []struct {
		Price int `json:"price"`
	} `json:"items"`
}

type Parcel struct {
	Order    string `json:"order"`
	Tracking string `json:"tracking"`
}

func processOrder(ctx context.Context, input inngestgo.Input[Order]) (any, error) {
	order := input.Event.Data

	// A step runs once: its result is kept in the database, whatever happens to this app afterwards.
	total, err := step.Run(ctx, "add up", func(context.Context) (int, error) {
		sum := 0
		for _, item := range order.Items {
			sum += item.Price
		}
		return sum, nil
	})
	if err != nil {
		return nil, err
	}

	// A step that returns an error is tried again, later; the others are not.
	paid, err := step.Run(ctx, "charge the card", func(context.Context) (int, error) {
		if input.InputCtx.Attempt == 0 {
			return 0, fmt.Errorf("the bank did not answer")
		}
		return total, nil
	})
	if err != nil {
		return nil, err
	}

	// Nothing of this app has to be running meanwhile.
	step.Sleep(ctx, "let it sink in", 2*time.Second)

	parcel, err := step.WaitForEvent[inngestgo.GenericEvent[Parcel]](ctx, "wait for the parcel", step.WaitForEventOpts{
		Event:   "shop/parcel.sent",
		If:      inngestgo.StrPtr("event.data.order == async.data.order"),
		Timeout: 3 * 24 * time.Hour,
	})
	if err == step.ErrEventNotReceived {
		_, err = step.Run(ctx, "pay back", func(context.Context) (int, error) { return paid, nil })
		return map[string]any{"order": order.Order, "state": "cancelled"}, err
	}
	return map[string]any{"order": order.Order, "state": "sent", "total": total, "tracking": parcel.Data.Tracking}, err
}

func main() {
	client, err := inngestgo.NewClient(inngestgo.ClientOpts{AppID: "shop-go"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = inngestgo.CreateFunction(client, inngestgo.FunctionOpts{ID: "process-order", Retries: inngestgo.IntPtr(3)},
		inngestgo.EventTrigger("shop/order.placed", nil), processOrder)
	if err != nil {
		log.Fatal(err)
	}

	http.Handle("/api/inngest", client.Serve())
	port := cmp.Or(os.Getenv("PORT"), "3000")
	fmt.Printf("listening on http://127.0.0.1:%s/api/inngest\n", port)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
