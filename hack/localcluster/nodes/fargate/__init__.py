"""AWS Fargate as EKS has it: pods that a profile selects get a node each, from a scheduler of its own."""

from .profiles import Profile
from .scheduler import Fargate
from .simulation import fargate

__all__ = ["Fargate", "Profile", "fargate"]
