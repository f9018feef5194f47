"""S3 and what speaks it, through fsspec's s3fs.

A bucket that is missing is created with all public access blocked. One that is there is refused if its ACL, or its
policy, lets everyone in; what a provider cannot be asked (OCI has no public access block) is said to be "not checked".

Objects beyond `PART` bytes go up in parts. The upload's id is kept in the caller's memo before the first part: another
process asks the store which parts it has and sends the others. A versioned bucket keeps what is deleted, so `delete`
removes every version and every marker.
"""

import base64
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from typing import Any, BinaryIO

import s3fs
from botocore.exceptions import BotoCoreError, NoCredentialsError, ParamValidationError
from fsspec.asyn import sync

from synthtrail.custody.errors import UsageError
from synthtrail.handover import telling
from synthtrail.handover.objects import Memo, OnBytes, Seen, StoreError, patiently

PART = 8 << 20
MOST_PARTS = 9_000  # S3 allows 10,000
_EVERYONE = ("AllUsers", "AuthenticatedUsers")
_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_ABSENT = ("NoSuchBucketPolicy", "NoSuchPublicAccessBlockConfiguration", "Not Found", "does not exist", "NotFound")


class S3Store:
    """The store below `bucket/prefix`."""

    def __init__(self, rest: str, endpoint: str | None = None) -> None:
        self.bucket, _, prefix = rest.strip("/").partition("/")
        if not self.bucket:
            raise UsageError("s3:// needs a bucket: s3://bucket/prefix")
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{self.bucket}/{prefix}".rstrip("/")
        self.files = s3fs.S3FileSystem(
            endpoint_url=endpoint,
            skip_instance_cache=True,
            use_listings_cache=False,
            config_kwargs={"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 1}},
        )

    def close(self) -> None:
        """Close the connections."""
        self.files.close_session(self.files.loop, self.files.s3)

    def call(self, method: str, **arguments: Any) -> Any:
        """Call the store; try again while it does not answer, and turn every refusal into one line."""
        return patiently(self.url, lambda: self._once(method, arguments))

    def prepare(self) -> list[tuple[str, str]]:
        """Create the bucket if it is missing; refuse a public one."""
        created = not self._exists()
        if created:
            self._create()
            return [("bucket", "created, public access blocked")]
        return [("bucket", "existed"), ("bucket.public", self._check_private())]

    def spool(self, _name: str, aside: Path) -> Path:
        """Return `aside`: ciphertext must be kept until it is stored, since nothing is encrypted alike twice."""
        aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return aside

    def put(self, name: str, path: Path, memo: Memo, save: Callable[[], None], on_bytes: OnBytes) -> None:
        """Send the file at `path`, in parts if it is large, going on where `memo` says that an upload was."""
        size = path.stat().st_size
        if size <= PART:
            data = path.read_bytes()
            self.call("put_object", Key=self.prefix + name, Body=data, ContentMD5=_md5(data))
            on_bytes(size)
            return
        width = max(PART, -(-size // MOST_PARTS))
        if not self._known(name, memo, width):
            started = self.call("create_multipart_upload", Key=self.prefix + name)
            memo.update(upload=str(started["UploadId"]), part=width)
            save()
        parts = self._send(name, path, str(memo["upload"]), width, on_bytes)
        self.call(
            "complete_multipart_upload",
            Key=self.prefix + name,
            UploadId=memo["upload"],
            MultipartUpload={"Parts": parts},
        )
        memo.clear()
        save()

    def names(self, prefix: str = "") -> Iterator[Seen]:
        """Yield every object whose name begins with `prefix`, asking for page after page."""
        more: dict[str, Any] = {}
        while True:
            page = self.call("list_objects_v2", Prefix=self.prefix + prefix, **more)
            for item in page.get("Contents", []):
                name = item["Key"].removeprefix(self.prefix)
                yield Seen(name, int(item["Size"]), f"{item['ETag']} {item['LastModified'].isoformat()}")
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open an object; it is read in ranges, each of them asked for again if the connection breaks."""
        size = int(self.call("head_object", Key=self.prefix + name)["ContentLength"])
        with io.BufferedReader(_Ranges(self, self.prefix + name, size), PART) as reader:
            yield reader

    def delete(self, name: str) -> int:
        """Delete an object with all of its versions and markers, and whatever was sent of an unfinished upload."""
        key = self.prefix + name
        for upload in self.call("list_multipart_uploads", Prefix=key).get("Uploads", []):
            self.call("abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"])
        count = 0
        for version in self._versions(key):
            self.call("delete_object", Key=key, **version)
            count += 1
        return count

    def range(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to but not including `end` of an object."""

        async def read() -> bytes:
            answer = await self.files._call_s3(
                "get_object", Bucket=self.bucket, Key=key, Range=f"bytes={start}-{end - 1}"
            )
            return bytes(await answer["Body"].read())

        return bytes(patiently(self.url, lambda: self._translated(lambda: sync(self.files.loop, read))))

    def _versions(self, key: str) -> list[dict[str, str]]:
        found = self.call("list_object_versions", Prefix=key)
        listed = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        own = [item["VersionId"] for item in listed if item["Key"] == key]
        return [{} if version in (None, "null") else {"VersionId": version} for version in own]

    def _known(self, name: str, memo: Memo, width: int) -> bool:
        """Tell whether the store still knows the upload in `memo`."""
        if memo.get("part") != width or "upload" not in memo:
            return False
        try:
            self.call("list_parts", Key=self.prefix + name, UploadId=memo["upload"], MaxParts=1)
        except StoreError:
            return False
        return True

    def _send(self, name: str, path: Path, upload: str, width: int, on_bytes: OnBytes) -> list[dict[str, Any]]:
        """Send the parts that the store has not; return all of them by number and ETag."""
        there = self._parts(name, upload)
        sent = []
        with path.open("rb") as file:
            number = 0
            while data := file.read(width):
                number += 1
                etag = md5(data, usedforsecurity=False).hexdigest()
                if there.get(number) != etag:  # a store that encrypts has ETags of its own: it gets the part again
                    more = {"UploadId": upload, "PartNumber": number, "ContentMD5": _md5(data)}
                    answer = self.call("upload_part", Key=self.prefix + name, Body=data, **more)
                    etag = answer["ETag"].strip('"')
                on_bytes(len(data))
                sent.append({"PartNumber": number, "ETag": f'"{etag}"'})
        return sent

    def _parts(self, name: str, upload: str) -> dict[int, str]:
        found: dict[int, str] = {}
        more: dict[str, Any] = {}
        while True:
            page = self.call("list_parts", Key=self.prefix + name, UploadId=upload, **more)
            found |= {int(part["PartNumber"]): part["ETag"].strip('"') for part in page.get("Parts", [])}
            if not page.get("IsTruncated"):
                return found
            more = {"PartNumberMarker": int(page["NextPartNumberMarker"])}

    def _exists(self) -> bool:
        try:
            self.call("head_bucket")
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise
        return True

    def _create(self) -> None:
        region = self.files.s3.meta.region_name
        place = {} if region in (None, "us-east-1", "aws-global") else {"LocationConstraint": region}
        self.call("create_bucket", **({"CreateBucketConfiguration": place} if place else {}))
        try:
            self.call("put_public_access_block", PublicAccessBlockConfiguration=_BLOCK)
        except StoreError:
            self._check_private()  # a provider without that call: a new bucket is private there, which is looked at

    def _check_private(self) -> str:
        """Return how it was found that the bucket is private; raise `StoreError` if it is not."""
        acl = self._ask("get_bucket_acl")
        grantees = [str(grant.get("Grantee", {}).get("URI", "")) for grant in (acl or {}).get("Grants", [])]
        opened = [uri for uri in grantees if uri.rpartition("/")[2] in _EVERYONE]
        policy = self._ask("get_bucket_policy")
        block = (self._ask("get_public_access_block") or {}).get("PublicAccessBlockConfiguration", {})
        if opened and not block.get("IgnorePublicAcls"):
            raise StoreError(f"s3://{self.bucket} is public: its ACL lets everyone in; nothing was stored")
        if policy and _lets_everyone(policy["Policy"]) and not block.get("RestrictPublicBuckets"):
            raise StoreError(f"s3://{self.bucket} is public: its policy lets everyone in; nothing was stored")
        return "no, by ACL and policy" if acl is not None else "not checked: the store cannot be asked"

    def _ask(self, method: str) -> Any:
        """Call a method that not every provider has, or that finds nothing; None then."""
        try:
            return self.call(method)
        except StoreError as error:
            return {} if any(word in str(error) for word in _ABSENT) and method != "get_bucket_acl" else None

    def _once(self, method: str, arguments: dict[str, Any]) -> Any:
        return self._translated(lambda: self.files.call_s3(method, Bucket=self.bucket, **arguments))

    def _translated(self, attempt: Callable[[], Any]) -> Any:
        try:
            return attempt()
        except NoCredentialsError:
            raise UsageError(
                f"{self.url}: no credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret"
            ) from None
        except ParamValidationError as error:  # a name that no store could have
            raise UsageError(f"{self.url}: {telling.told(error, 120)}; nothing was stored") from None
        except PermissionError as error:
            raise StoreError(f"{self.url}: the store refuses these credentials: {telling.told(error, 160)}") from error
        except BotoCoreError as error:
            raise ConnectionError(str(error)) from error
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            raise StoreError(f"{self.url}: {telling.told(error)}") from error


class _Ranges(io.RawIOBase):
    """An object as a raw file, read in ranges."""

    def __init__(self, store: S3Store, key: str, size: int) -> None:
        self.store, self.key, self.size, self.place = store, key, size, 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next range into `buffer`."""
        end = min(self.size, self.place + len(buffer))
        if end <= self.place:
            return 0
        data = self.store.range(self.key, self.place, end)
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)


def _md5(data: bytes) -> str:
    return base64.b64encode(md5(data, usedforsecurity=False).digest()).decode()


def _lets_everyone(policy: str) -> bool:
    """Tell whether an S3 bucket policy allows something to everyone without a condition."""
    statements = json.loads(policy).get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return any(
        item.get("Effect") == "Allow" and "*" in _principals(item.get("Principal")) and not item.get("Condition")
        for item in listed
    )


def _principals(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [name for found in value.values() for name in (found if isinstance(found, list) else [found])]
    return [str(value)]
