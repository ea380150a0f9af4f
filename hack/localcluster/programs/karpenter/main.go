// Karpenter for the local cluster: its own controllers over the machines of its kwok provider, Node objects that kwok
// plays the kubelet for.
package main

import (
	"context"
	"os"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/overlay"
	"sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator"
)

func main() {
	ctx, op := operator.NewOperator()
	cloud, err := newMachines(ctx, op.GetClient())
	if err != nil {
		log.FromContext(ctx).Error(err, "the instance types cannot be read")
		os.Exit(1)
	}
	run(ctx, op, &faults{CloudProvider: cloud, path: os.Getenv(faultsPath)})
}

// run lets Karpenter work on the cloud until the process ends.
func run(ctx context.Context, op *operator.Operator, cloud cloudprovider.CloudProvider) {
	decorated := overlay.Decorate(cloud, op.GetClient(), op.InstanceTypeStore)
	cluster := state.NewCluster(op.Clock, op.GetClient(), decorated)
	op.WithControllers(ctx, controllers.NewControllers(
		ctx,
		op.Manager,
		op.Clock,
		op.GetClient(),
		op.EventRecorder,
		decorated,
		cloud,
		cluster,
		op.InstanceTypeStore,
	)...).Start(ctx)
}
