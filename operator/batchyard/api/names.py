"""Every name Batchyard puts on objects of the API server: group, kinds, labels, finalizer, field manager."""

from typing import Final

GROUP: Final = "batchyard.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "batchyard"

JOB_DEFINITION: Final = "JobDefinition"
BATCH_JOB: Final = "BatchJob"
JOB_QUEUE: Final = "JobQueue"
COMPUTE_ENVIRONMENT: Final = "ComputeEnvironment"
CONSUMABLE_RESOURCE: Final = "ConsumableResource"

# Labels of Kubernetes Jobs, their pods and ControllerRevisions.
JOB: Final = f"{GROUP}/job"
JOB_UID: Final = f"{GROUP}/job-uid"
QUEUE: Final = f"{GROUP}/queue"
ENVIRONMENT: Final = f"{GROUP}/environment"
RUN: Final = f"{GROUP}/run"
DEFINITION: Final = f"{GROUP}/job-definition"
REVISION: Final = f"{GROUP}/revision"
SPEC_HASH: Final = f"{GROUP}/spec-hash"
NODE: Final = f"{GROUP}/node-index"
# Of arrays: on an Indexed Job and its pods, which nobody watches; and on the Job of a single index.
ARRAY: Final = f"{GROUP}/array"
INDEX: Final = f"{GROUP}/array-index"
# Annotations of Kubernetes Jobs: the attempt that the run belongs to, the share that it counts for, what each of its
# slots asks for, and what it holds of consumable resources; of multi-node jobs what all nodes ask for together and,
# where it is not the main node's, the uid of the main node's Job. The terms are what the run was granted with,
# by which its end is judged. `instead` is a sentence on why the run is not in an environment that its queue names
# first; `on-demand` says that it is not on spot, where its environment keeps a part of its work there; `charged-as` is
# the size that each of its pods counts for, where that is not what they ask for; `zone` is the one that all nodes of a
# multi-node job are in, empty for nodes that name none. The mark proves that all of it is true.
ATTEMPT: Final = f"{GROUP}/attempt"
REQUEST: Final = f"{GROUP}/request"
MARK: Final = f"{GROUP}/mark"
SHARE: Final = f"{GROUP}/share"
CONSUMABLES: Final = f"{GROUP}/consumable-resources"
GANG_REQUEST: Final = f"{GROUP}/gang-request"
TERMS: Final = f"{GROUP}/terms"
INSTEAD: Final = f"{GROUP}/instead"
ON_DEMAND: Final = f"{GROUP}/on-demand"
CHARGED_AS: Final = f"{GROUP}/charged-as"
ZONE: Final = f"{GROUP}/zone"
MAIN_UID: Final = f"{GROUP}/main-uid"

# Of nodes that are made for an environment: label and taint; and the annotation of a NodePool that tells what becomes
# of its nodes when that environment is deleted.
NODE_ENVIRONMENT: Final = f"{GROUP}/compute-environment"
DELETION_POLICY: Final = f"{GROUP}/deletion-policy"

# Karpenter's own, on pods whose nodes it may not take away.
DO_NOT_DISRUPT: Final = "karpenter.sh/do-not-disrupt"

# Kubernetes' own, on the pods of an Indexed Job (label and annotation alike).
COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY_VALUE: Final = "batchyard"

FIELD_MANAGER: Final = "batchyard-operator"
USER_AGENT: Final = "batchyard-operator"

DEFAULT_CONTAINER: Final = "main"
RESERVED_ENV_PREFIX: Final = "AWS_BATCH"

# Kubernetes allows 63 characters in a label value and in a Job's name; a BatchJob's name leaves room for the
# suffix of its Jobs and of their pods' host names.
MAX_BATCH_JOB_NAME: Final = 52
MAX_LABEL_VALUE: Final = 63
