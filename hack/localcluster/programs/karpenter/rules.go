package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/karpenter/pkg/cloudprovider"
)

// faultsPath is the environment variable with the path of the file that ../../faults.py writes.
const faultsPath = "FAULTS_FILE_PATH"

// What a rule does to the machines that it names.
const (
	insufficientCapacity = "insufficientCapacity"
	unavailable          = "unavailable"
	launchFailed         = "launchFailed"
	unregistered         = "unregistered"
)

const (
	defaultShortage = "all requested instance types were unavailable during launch"
	defaultFailure  = "the machine cannot be launched"
	defaultReason   = "LaunchFailed"
)

// rule names machines by where and as what they would be made, and says what befalls them. An empty selector stands for
// all.
type rule struct {
	Kind          string   `json:"kind"`
	CapacityTypes []string `json:"capacityTypes"`
	Zones         []string `json:"zones"`
	InstanceTypes []string `json:"instanceTypes"`
	NodeClasses   []string `json:"nodeClasses"`
	Reason        string   `json:"reason"`
	Message       string   `json:"message"`
	Remembered    float64  `json:"remembered"` // seconds for which a shortage that was met is shown beforehand
}

// machine is one that may be made: an offering of an instance type.
type machine struct {
	instanceType string
	offering     *cloudprovider.Offering
	nodeClass    string
}

func (r rule) names(m machine) bool {
	return selects(r.CapacityTypes, m.offering.CapacityType()) &&
		selects(r.Zones, m.offering.Zone()) &&
		selects(r.InstanceTypes, m.instanceType) &&
		selects(r.NodeClasses, m.nodeClass)
}

func selects(selector []string, value string) bool {
	return len(selector) == 0 || slices.Contains(selector, value)
}

// key tells machines apart, as far as their availability goes.
func (m machine) key() string {
	return strings.Join([]string{m.nodeClass, m.instanceType, m.offering.Zone(), m.offering.CapacityType()}, " ")
}

type rules []rule

// of is the first rule of these kinds that names the machine.
func (r rules) of(m machine, kinds ...string) *rule {
	for i := range r {
		if slices.Contains(kinds, r[i].Kind) && r[i].names(m) {
			return &r[i]
		}
	}
	return nil
}

// readRules is called each time, as the file may change at any time; without a file there are no faults.
func readRules(path string) (rules, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(bytes.TrimSpace(content)) == 0) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file struct {
		Refused rules `json:"refused"`
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("faults in %s, %w", path, err)
	}
	for _, each := range file.Refused {
		if !slices.Contains([]string{insufficientCapacity, unavailable, launchFailed, unregistered}, each.Kind) {
			return nil, fmt.Errorf("faults in %s, there is no kind %q", path, each.Kind)
		}
	}
	return file.Refused, nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
