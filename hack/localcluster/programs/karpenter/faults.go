package main

import (
	"context"
	"errors"
	"math/rand"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

// faults is a cloud that refuses machines, or makes them fail, as a file says.
type faults struct {
	cloudprovider.CloudProvider
	path string
	met  shortages
}

// shortages are machines that could not be had, and until when that is remembered.
type shortages struct {
	sync.Mutex
	until map[string]time.Time
}

func (s *shortages) note(m machine, seconds float64) {
	s.Lock()
	defer s.Unlock()
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	s.until[m.key()] = time.Now().Add(time.Duration(seconds * float64(time.Second)))
}

func (s *shortages) has(m machine) bool {
	s.Lock()
	defer s.Unlock()
	return time.Now().Before(s.until[m.key()])
}

func (s *shortages) forget() {
	s.Lock()
	defer s.Unlock()
	s.until = nil
}

// rules are those that hold now. What was met while there were others is forgotten when there are none.
func (f *faults) rules() (rules, error) {
	known, err := readRules(f.path)
	if err == nil && len(known) == 0 {
		f.met.forget()
	}
	return known, err
}

// GetInstanceTypes shows what is unavailable as such, and leaves the cloud's own types alone: they are shared.
func (f *faults) GetInstanceTypes(ctx context.Context, pool *v1.NodePool) ([]*cloudprovider.InstanceType, error) {
	types, err := f.CloudProvider.GetInstanceTypes(ctx, pool)
	if err != nil {
		return nil, err
	}
	known, err := f.rules()
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return types, nil
	}
	var class string
	if pool != nil && pool.Spec.Template.Spec.NodeClassRef != nil {
		class = pool.Spec.Template.Spec.NodeClassRef.Name
	}
	shown := make([]*cloudprovider.InstanceType, 0, len(types))
	for _, each := range types {
		offerings := make(cloudprovider.Offerings, 0, len(each.Offerings))
		for _, offering := range each.Offerings {
			offered := *offering
			found := machine{each.Name, offering, class}
			offered.Available = offered.Available && known.of(found, unavailable) == nil && !f.met.has(found)
			offerings = append(offerings, &offered)
		}
		shown = append(shown, &cloudprovider.InstanceType{
			Name:         each.Name,
			Requirements: each.Requirements,
			Offerings:    offerings,
			Capacity:     each.Capacity,
			Overhead:     each.Overhead,
		})
	}
	return shown, nil
}

// Create makes the cheapest machine for the claim that is not refused.
func (f *faults) Create(ctx context.Context, claim *v1.NodeClaim) (*v1.NodeClaim, error) {
	known, err := f.rules()
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return f.CloudProvider.Create(ctx, claim)
	}
	possible, err := f.possible(ctx, claim)
	if err != nil {
		return nil, err
	}
	var refusal *rule
	allowed := slices.DeleteFunc(possible, func(each machine) bool {
		found := known.of(each, insufficientCapacity, unavailable)
		if refusal == nil {
			refusal = found
		}
		if found != nil {
			f.met.note(each, found.Remembered)
		}
		return found != nil
	})
	switch {
	case len(allowed) > 0:
		return f.make(ctx, claim, cheapest(allowed), known)
	case refusal != nil:
		return nil, cloudprovider.NewInsufficientCapacityError(errors.New(or(refusal.Message, defaultShortage)))
	default: // the claim fits no machine at all, which is not for the faults to say
		return f.CloudProvider.Create(ctx, claim)
	}
}

// make has that very machine made, or not, or made for nothing.
func (f *faults) make(ctx context.Context, claim *v1.NodeClaim, chosen machine, known rules) (*v1.NodeClaim, error) {
	if failure := known.of(chosen, launchFailed); failure != nil {
		message := or(failure.Message, defaultFailure)
		return nil, cloudprovider.NewCreateError(errors.New(message), or(failure.Reason, defaultReason), message)
	}
	narrowed := claim.DeepCopy()
	narrowed.Spec.Requirements = chosen.narrow(narrowed.Spec.Requirements)
	if known.of(chosen, unregistered) != nil {
		if narrowed.Annotations == nil {
			narrowed.Annotations = map[string]string{}
		}
		narrowed.Annotations[neverRegisters] = "true"
	}
	made, err := f.CloudProvider.Create(ctx, narrowed)
	if err != nil {
		return nil, err
	}
	delete(made.Annotations, neverRegisters)
	return made, nil
}

// possible are the machines that would do for the claim.
func (f *faults) possible(ctx context.Context, claim *v1.NodeClaim) ([]machine, error) {
	types, err := f.CloudProvider.GetInstanceTypes(ctx, nil)
	if err != nil {
		return nil, err
	}
	var class string
	if claim.Spec.NodeClassRef != nil {
		class = claim.Spec.NodeClassRef.Name
	}
	wanted := scheduling.NewNodeSelectorRequirementsWithMinValues(claim.Spec.Requirements...)
	var possible []machine
	for _, each := range types {
		if !wanted.Get(corev1.LabelInstanceTypeStable).Has(each.Name) {
			continue
		}
		for _, offering := range each.Offerings.Available().Compatible(wanted) {
			possible = append(possible, machine{each.Name, offering, class})
		}
	}
	return possible, nil
}

// cheapest is one of the cheapest machines, in any of the zones where it costs the same, as the kwok provider chooses.
func cheapest(machines []machine) machine {
	price := machines[0].offering.Price
	for _, each := range machines {
		price = min(price, each.offering.Price)
	}
	equal := slices.DeleteFunc(slices.Clone(machines), func(each machine) bool { return each.offering.Price > price })
	return equal[rand.Intn(len(equal))]
}

// narrow leaves the requirements no choice but this machine.
func (m machine) narrow(requirements []v1.NodeSelectorRequirementWithMinValues) []v1.NodeSelectorRequirementWithMinValues {
	only := map[string]string{
		corev1.LabelInstanceTypeStable: m.instanceType,
		corev1.LabelTopologyZone:       m.offering.Zone(),
		v1.CapacityTypeLabelKey:        m.offering.CapacityType(),
	}
	narrowed := slices.DeleteFunc(requirements, func(each v1.NodeSelectorRequirementWithMinValues) bool {
		return only[each.Key] != ""
	})
	for key, value := range only {
		narrowed = append(narrowed, v1.NodeSelectorRequirementWithMinValues{
			Key:      key,
			Operator: corev1.NodeSelectorOpIn,
			Values:   []string{value},
		})
	}
	return narrowed
}
