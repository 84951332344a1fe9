"""R4: the failure reasons. Each is one row: whatever is shown of a reason anywhere is read from here.

- Titles and details are words that users know, in English everywhere; braces stand for what was found.
- `checks.failure` fills a row in; `licd check` names who can do it; the console adds the words in Chinese;
  docs/errors.md lists the rows (`make reasons`). protos/licd/v1/failure.proto gives each reason its number.
"""

from enum import StrEnum
from typing import NamedTuple, Self


class Saying(NamedTuple):
    """What was found, and what to do about it."""

    detail: str
    remedy: str


class Row(NamedTuple):
    """What is shown of a reason.

    `says`: by the case; "" is the usual one. `who` can do it, `{node}`: who it is depends on the node. `chinese`: the
    title and what to do, for the console.
    """

    title: str
    says: dict[str, Saying]
    who: str
    chinese: str


_INSTALLER = "anyone who installs the report server on {node}; or the vendor, with another license"
_SET_LEADERS_CLOCK = "Set the clock of the leader daemon's machine right (NTP)."
_CONFIRM_BY_CODE = (
    f"{_SET_LEADERS_CLOCK} If it is right now, create a QR code and submit its code: that confirms the time."
)
_CONFIRM = (
    f"{_SET_LEADERS_CLOCK} If it is right now, run `licd clock confirm`, or create a QR code and submit its code: both "
    "confirm the time."
)


class FailureReason(StrEnum):
    """Why a registration or a seat is refused (R4)."""

    row: Row

    def __new__(cls, name: str, row: Row) -> Self:
        """A reason is its name; the row hangs on it."""
        reason = str.__new__(cls, name)
        reason._value_ = name
        reason.row = row
        return reason

    CERTIFICATE_EXPIRED = (
        "CERTIFICATE_EXPIRED",
        Row(
            "The certificate has expired",
            {"": Saying("Expiration time: {date}", "Ask {vendor} for a renewed Container.lic and upload it.")},
            who="the vendor",
            chinese="证书已过期。请向供应商申请续签的 Container.lic 并上传。",
        ),
    )
    VERSION_MISMATCH = (
        "VERSION_MISMATCH",
        Row(
            "Version mismatch",
            {
                "": Saying(
                    "Certified application version: {certified} Local application version: {local}",
                    "Run version {certified} on this node, or ask the vendor for a license for this one.",
                ),
                "too low": Saying(
                    "Certified application version: {certified} Local application version: {local} "
                    "Lowest application version: {lowest}",
                    "Run version {certified}, at least {lowest}, on this node, or ask the vendor for a license for "
                    "this one.",
                ),
            },
            who=_INSTALLER,
            chinese="版本不匹配。请在该节点上运行许可证认证的版本，或向供应商申请适用于当前版本的许可证。",
        ),
    )
    APPLICATION_NAME_MISMATCH = (
        "APPLICATION_NAME_MISMATCH",
        Row(
            "Application name does not match",
            {
                "": Saying(
                    "Certified application name: {certified} Local application name: {local}",
                    "Run {certified} on this node, or ask the vendor for a license for {local}.",
                )
            },
            who=_INSTALLER,
            chinese="应用名称不匹配。请在该节点上运行许可证认证的应用，或向供应商申请适用于当前应用的许可证。",
        ),
    )
    MAX_AUTHORIZATIONS_REACHED = (
        "MAX_AUTHORIZATIONS_REACHED",
        Row(
            "The maximum number of authorizations has been reached",
            {
                "": Saying(
                    "The number of cluster nodes exceeds the maximum number of lic that can be registered",
                    "Stop nodes until at most {max} are connected, or ask the vendor for a license for more.",
                )
            },
            who="anyone who runs the report servers; or the vendor, with a license for more nodes",
            chinese="已达到最大授权数。请停止多余的节点，或向供应商申请允许更多节点的许可证。",
        ),
    )
    PROJECT_CONTENT_MISMATCH = (
        "PROJECT_CONTENT_MISMATCH",
        Row(
            "Project content does not match",
            {
                "": Saying(
                    "Certification project content: {certified} Local project content: {local}",
                    "Deploy the certified project content, or ask the vendor for a license for this one.",
                )
            },
            who=_INSTALLER,
            chinese="项目内容不匹配。请部署许可证认证的项目内容，或向供应商申请适用于当前内容的许可证。",
        ),
    )
    CERTIFICATE_TYPE_MISMATCH = (
        "CERTIFICATE_TYPE_MISMATCH",
        Row(
            "Certificate type or version does not match",
            {
                "": Saying(
                    "The selected authentication method does not match the uploaded lic type",
                    "Choose the authentication method that the license was issued for, or upload a license for this "
                    "one.",
                )
            },
            who="anyone who uploads the license; or the vendor, with another license",
            chinese="证书类型或版本不匹配。请选择许可证对应的认证方式，或上传适用于所选方式的许可证。",
        ),
    )
    CERTIFICATE_CONTENT_INCORRECT = (
        "CERTIFICATE_CONTENT_INCORRECT",
        Row(
            "The content of the certificate is incorrect",
            {
                "": Saying(
                    "",
                    "Upload Container.lic exactly as the vendor sent it; if it still fails, ask the vendor for a new "
                    "one.",
                ),
                "no license at all": Saying("", "This is {kind}: {do}."),
            },
            who="anyone who uploads the license; or the vendor, with a new one",
            chinese="证书内容不正确。请原样上传供应商发来的 Container.lic；若仍失败，请向供应商索取新文件。",
        ),
    )
    CLOCK_DRIFT = (
        "CLOCK_DRIFT",
        Row(
            "Server clocks do not agree",
            {
                "": Saying(
                    "Node {node} is {offset} s {side} the leader (limit {limit} s, error {error} ms)",
                    "Set that server's clock right (NTP); it is judged again automatically.",
                ),
                "near": Saying(
                    "Warning: node {node} is {offset} s {side} the leader, more than half of the limit "
                    "(limit {limit} s, error {error} ms)",
                    "Set that server's clock right (NTP) before it is over the limit; "
                    "it is judged again automatically.",
                ),
            },
            who="the administrator of {node}",
            chinese="服务器时钟不一致。请校准该服务器的时钟（NTP），之后会自动重新检查。",
        ),
    )
    CLOCK_UNTRUSTED = (
        "CLOCK_UNTRUSTED",
        Row(
            "The leader's clock is not to be trusted",
            {
                "off NTP": Saying("by {span} s off NTP server {server}", _SET_LEADERS_CLOCK),
                "ahead": Saying("jumped ahead by {span} s, which nothing has confirmed", _CONFIRM),
                "behind": Saying("set back by {span} s behind a time already seen", _CONFIRM_BY_CODE),
                "returned": Saying("set back by {span} s behind a time already seen", _CONFIRM),
                "start": Saying(
                    "past the license's end since a start that was ahead by {span} s, which nothing has confirmed",
                    _CONFIRM,
                ),
                "off nodes": Saying(
                    "by {span} s off most of the cluster's clocks, so no single node is to blame",
                    f"{_SET_LEADERS_CLOCK} If the nodes are wrong, set theirs; with --ntp-server the leader can tell.",
                ),
                "before issue": Saying(
                    "The license was issued at {issued}, and the leader's clock is at {now}: that is more than "
                    "10 minutes ahead",
                    "Set the clock of the leader daemon's machine right (NTP) and upload the license again; if that "
                    "clock is right, ask {vendor} to issue the license again.",
                ),
            },
            who="the administrator of the daemon's machine",
            chinese="领导者的时钟不可信。请校准领导者守护进程所在机器的时钟（NTP）。",
        ),
    )
    BUILD_TOO_OLD = (
        "BUILD_TOO_OLD",
        Row(
            "The report server's build is too old",
            {"": Saying("Build {date}, needs {least} or later", "Update the report server on this node.")},
            who=_INSTALLER,
            chinese="报表服务器的构建日期过旧。请更新该节点上的报表服务器。",
        ),
    )
    NO_NODES_CONNECTED = (
        "NO_NODES_CONNECTED",
        Row(
            "No node is connected",
            {"": Saying("", "Start at least one report server and let it connect to this daemon.")},
            who="anyone who runs the report servers",
            chinese="没有已连接的节点。请至少启动一台报表服务器，并让它连接到本守护进程。",
        ),
    )
    REGISTRATION_ENDED = (
        "REGISTRATION_ENDED",
        Row(
            "The registration has ended",
            {
                "": Saying(
                    "Ended {time} UTC {cause}",
                    "Ask the cluster administrator to create a QR code, scan it and submit the code.",
                ),
                "no license": Saying(
                    "Ended {time} UTC {cause}",
                    "Ask the cluster administrator to upload a Container.lic, create a QR code, scan it and submit "
                    "the code.",
                ),
            },
            who="the cluster's administrator",
            chinese="注册已终止。请让集群管理员生成二维码，扫描后提交验证码。",
        ),
    )
