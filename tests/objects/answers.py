"""What Kubernetes answers, in its own words: why pods do not come to run, and why objects are not taken."""

QUOTA = "exceeded quota: tight, requested: cpu=4, used: cpu=0, limited: cpu=1"
NO_NODE = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector"
BY_WEBHOOK = 'admission webhook "validate.example.org" denied the request: no label team'
BY_POLICY = "jobs.batch \"job-1\" is forbidden: ValidatingAdmissionPolicy 'f' with binding 'g' denied request: freeze"
NOT_ASKED = 'Internal error occurred: failed calling webhook "mutate.example.org": connection refused'
