"""The least that a vault's key must be allowed, as text to paste at the provider."""

import json

from cloudpilot.kinds import VaultKind


def of(kind: VaultKind, bucket: str, prefix: str, account: str) -> str:
    """What `base.Vault.policy` says, without opening the vault.

    account  Azure's storage account, or Google's service account
    """
    if kind is VaultKind.GCS:
        return gcs(bucket, prefix, account)
    if kind is VaultKind.AZURE_BLOB:
        return azure(account, bucket)
    return s3(bucket, prefix) if kind is VaultKind.S3 else spaces(bucket)


def s3(bucket: str, prefix: str) -> str:
    """A policy of Amazon's IAM, for a user that only CloudPilot is."""
    arn = f"arn:aws:s3:::{bucket}"
    below = f"{prefix}/*" if prefix else "*"
    statements = [
        {
            "Sid": "Objects",
            "Effect": "Allow",
            "Action": [
                "s3:PutObject",
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:GetObjectRetention",
                "s3:GetObjectLegalHold",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            "Resource": f"{arn}/{below}",
        },
        {
            "Sid": "Lists",
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
            "Resource": arn,
            **({"Condition": {"StringLike": {"s3:prefix": below}}} if prefix else {}),
        },
        {
            "Sid": "UploadsAndCheck",
            "Effect": "Allow",
            "Action": [
                "s3:ListBucketMultipartUploads",
                "s3:GetBucketVersioning",
                "s3:GetBucketObjectLockConfiguration",
                "s3:GetLifecycleConfiguration",
            ],
            "Resource": arn,
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def spaces(bucket: str) -> str:
    """What to choose where keys of Spaces are made; they have no finer rights."""
    return (
        "In DigitalOcean's control panel, Spaces Object Storage, Access Keys, Create Access Key:\n"
        f"  Limited Access; bucket {bucket}: Read/Write/Delete; no other bucket.\n"
        "Such a key may do this in the whole bucket: use a bucket that nothing else is in.\n"
    )


def gcs(bucket: str, prefix: str, account: str) -> str:
    """Commands that make a role of the least rights and give it to the service account."""
    condition = ""
    if prefix:
        below = f"projects/_/buckets/{bucket}/objects/{prefix}/"
        rule = (
            f'resource.type != "storage.googleapis.com/Object" || '
            f'resource.name.startsWith("{below}")'
        )
        condition = f" \\\n  --condition='title=cloudpilot,expression={rule}'"
    return (
        "gcloud iam roles create cloudpilotVault --project=PROJECT --permissions=\\\n"
        "storage.objects.create,storage.objects.get,storage.objects.list,"
        "storage.objects.delete,storage.buckets.get\n"
        f"gcloud storage buckets add-iam-policy-binding gs://{bucket} \\\n"
        f"  --member=serviceAccount:{account} \\\n"
        f"  --role=projects/PROJECT/roles/cloudpilotVault{condition}\n"
    )


def azure(account: str, container: str) -> str:
    """What can be done where a key opens everything."""
    return (
        f"An account key opens all of the storage account {account}: nothing smaller can sign\n"
        f"requests for a single blob. Use an account that only CloudPilot's container {container}\n"
        "is in, and turn these on for it: Secure transfer required; minimum TLS 1.2. Turn off:\n"
        "Allow blob anonymous access. Rotate the key at the provider and enter the new one here.\n"
    )
