"""The portal in Chinese (simplified)."""

from http import HTTPStatus

from licd_vendor.domain.scan import Refusal
from licd_vendor.portal.sentences import Sentences, Texts, Words, split_span
from licd_vendor.spans import CHINESE

_REFUSALS = {
    Refusal.UNREADABLE: Words(
        HTTPStatus.NOT_FOUND,
        "无法读取此二维码",
        "链接不完整、在传输中被更改，或属于其他门户。",
        "请用手机相机重新扫描完整的二维码。如果仍然失败，请联系您的供应商。",
    ),
    Refusal.REVOKED: Words(HTTPStatus.FORBIDDEN, "此许可证已被撤销", "供应商已收回此许可证。", "请联系您的供应商。"),
    Refusal.EXPIRED: Words(
        HTTPStatus.GONE, "证书已过期", "许可证的有效期已结束。", "请向供应商索取新的 Container.lic 并上传。"
    ),
    Refusal.QR_TOO_OLD: Words(
        HTTPStatus.GONE,
        "此二维码已过时",
        "它的验证码在 5 分钟前已显示过，或已失效。",
        "请在服务器上刷新二维码，然后扫描新的二维码。",
    ),
    Refusal.RELEASED: Words(
        HTTPStatus.CONFLICT,
        "此安装已释放其许可证",
        "已释放的安装不能再次注册。",
        "请在服务器上重新上传 Container.lic，然后扫描新的二维码。",
    ),
    Refusal.BOUND_ELSEWHERE: Words(
        HTTPStatus.CONFLICT,
        "已达到最大授权数",
        "此许可证正被另一个安装使用。",
        "请先在那里释放许可证，或请供应商解除绑定。",
    ),
    Refusal.COPIED: Words(
        HTTPStatus.CONFLICT,
        "此安装是复制或恢复而来的",
        "它的记录不是本门户见过的最新记录。供应商可以看到此情况。",
        "请在原来的安装上注册，或请供应商解除绑定。",
    ),
    Refusal.NOT_BOUND: Words(
        HTTPStatus.CONFLICT,
        "没有可释放的许可证",
        "此许可证从未绑定到此安装。",
        "如果没有其他安装占用，您可以在另一台服务器上注册此许可证。",
    ),
    Refusal.RELEASE_LIMIT: Words(
        HTTPStatus.CONFLICT,
        "请联系供应商迁移此许可证",
        "一年内的迁移次数已达到合同允许的上限。供应商可以看到此情况。",
        "供应商可以为您解除绑定。",
    ),
}
_NO_SUCH_PAGE = Words(HTTPStatus.NOT_FOUND, "没有此页面", "", "请重新扫描二维码。")
_WRONG_METHOD = Words(HTTPStatus.METHOD_NOT_ALLOWED, "此处无法执行该操作", "", "请重新扫描二维码。")
_TOO_LARGE = Words(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "请求内容过大", "", "请重新扫描二维码。")
_TOO_OFTEN = Words(
    HTTPStatus.TOO_MANY_REQUESTS,
    "请求过于频繁",
    "最近一分钟内，从此处或为此许可证请求验证码的次数过多。没有任何更改。",
    "请等待一分钟，然后重新扫描二维码。",
)
_BUSY = Words(HTTPStatus.SERVICE_UNAVAILABLE, "门户暂时无法响应", "没有任何更改。", "请等待一分钟，然后刷新此页面。")
_TEXTS = Texts(
    register_title="注册您的服务器",
    register_text="点击按钮获取服务器所需的六位验证码。首次操作会将许可证绑定到该安装。",
    register_button="显示验证码",
    register_hint="这不是您自己服务器的二维码？请关闭此页面。",
    release_title="释放许可证",
    release_text="点击按钮将许可证从旧安装中释放，之后可在另一台服务器上注册。此操作无法撤销。",
    release_button="释放",
    code_title="请在服务器上输入此验证码",
    code_label="验证码：",
    code_hint="自二维码出现起 5 分钟内有效。超时了？请刷新二维码并重新扫描。",
    company="公司",
    project="项目",
    nodes="已连接节点",
    node_count="{count}，最多 {maximum}",
    outage_grace="许可证守护进程中断时程序可继续运行",
    too_many_nodes="已连接的节点数超过许可证允许的数量：在部分节点离开之前，服务器会拒绝此验证码。",
    released_title="许可证已释放",
    released_text=(
        "旧安装已永久解除绑定。要在另一台服务器上使用此许可证，请在那里上传 Container.lic，并扫描它显示的二维码。"
    ),
    what_to_do="如何处理",
)


def _clock_off(offset: int) -> Words:
    where = "慢" if offset < 0 else "快"
    return Words(
        HTTPStatus.CONFLICT,
        f"您的服务器时钟{where}了 {span(abs(offset))}",
        "只有时间正确的服务器才能注册许可证。",
        "请校准服务器时钟，然后刷新二维码并扫描新的二维码。如果这是旧的二维码图片，请直接扫描新的。",
    )


def span(seconds: int) -> str:
    """Write a span of time in its two largest units."""
    days, hours, minutes = split_span(seconds)
    if days:
        return f"{days} 天 {hours} 小时"
    return f"{hours} 小时 {minutes} 分钟" if hours else f"{minutes} 分钟"


SENTENCES = Sentences(
    _TEXTS, _REFUSALS, _clock_off, _NO_SUCH_PAGE, _WRONG_METHOD, _TOO_LARGE, _TOO_OFTEN, _BUSY, CHINESE
)
