"""What tests/tests/conformance.rs sets up, as far as several cases name it."""

from aws import ACCOUNT, REGION

SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:landfall/shop"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:report"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"
