package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
)

// machines are those of the kwok provider with the capacity of their instance types. The provider itself gives a
// machine no more than its first pods request, and the limits of a NodePool would count just that.
type machines struct {
	*kwok.CloudProvider
	capacities capacities
}

func newMachines(ctx context.Context, kube client.Client) (*machines, error) {
	types, err := kwok.ConstructInstanceTypes(ctx)
	if err != nil {
		return nil, err
	}
	known := capacitiesOf(types)
	return &machines{kwok.NewCloudProvider(ctx, nodeClient{kube, known}, types), known}, nil
}

// Create makes a machine for the claim.
func (m *machines) Create(ctx context.Context, claim *v1.NodeClaim) (*v1.NodeClaim, error) {
	made, err := m.CloudProvider.Create(ctx, claim)
	if err != nil {
		return nil, err
	}
	made.Status.Capacity = m.capacities.of(made)
	return made, nil
}

// neverRegisters is the annotation of a claim whose machine is made and never becomes a Node.
const neverRegisters = "batchyard.dev/never-registers"

// nodeClient is what the kwok provider creates Nodes with.
type nodeClient struct {
	client.Client
	capacities capacities
}

func (c nodeClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if node, ok := object.(*corev1.Node); ok {
		if _, silent := node.Annotations[neverRegisters]; silent {
			return nil
		}
		node = node.DeepCopy() // the provider still reads its own
		node.Status.Capacity = c.capacities.of(node)
		object = node
	}
	return c.Client.Create(ctx, object, options...)
}

// capacities are known by the name of the instance type.
type capacities map[string]corev1.ResourceList

func capacitiesOf(types []*cloudprovider.InstanceType) capacities {
	known := capacities{}
	for _, each := range types {
		known[each.Name] = each.Capacity
	}
	return known
}

func (c capacities) of(object client.Object) corev1.ResourceList {
	return c[object.GetLabels()[corev1.LabelInstanceTypeStable]].DeepCopy()
}
