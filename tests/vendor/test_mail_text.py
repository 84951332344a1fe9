"""R29: the application mail in HTML, in every charset, and as odd mail programs send it."""

import base64
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from vendor.test_application_mail import TITLE, mail
from vendor.test_mail_forms import ASKED, FORM, SENDER, TABLE, asked

from licd_vendor.domain import application_mail
from licd_vendor.errors import RefusedError

CHINESE = {
    "公司名称": "宏图软件（上海）有限公司",
    "公司项目名称": "报表平台",
    "合同签署日期": "2024年3月1日",
    "注册方式": "本地容器认证",
    "最大注册数": "3",
}
CHINESE_TITLE = "宏图软件(上海)有限公司注册FineReport正式授权文件"
CHINESE_FORM = "".join(f"{name}：{value}\n" for name, value in CHINESE.items())
TRADITIONAL = "公司名稱：宏圖\n專案名稱：財務\n合約簽訂日期：2024年3月1日\n註冊方式：本地容器認證\n最大註冊數：3\n"


def html_mail(html: str, *, plain: str | None = None, title: str = TITLE) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["Subject"] = SENDER, title
    if plain is None:
        message.set_content(html, subtype="html")
    else:
        message.set_content(plain)
        message.add_alternative(html, subtype="html")
    return message.as_bytes()


def encoded_mail(text: str, title: str, charset: str, transfer: str, *, named: str = "") -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = SENDER
    message.set_content(text, charset=charset, cte=transfer)
    header = b"Subject: " + _encoded_word(title, charset, named or charset)
    return header + b"\r\n" + message.as_bytes().replace(charset.encode(), (named or charset).encode())


def _encoded_word(text: str, charset: str, named: str) -> bytes:
    return b"=?" + named.encode() + b"?B?" + base64.b64encode(text.encode(charset)) + b"?="


def cells(cell: str = "{}", row: str = "<tr><td>{}</td><td>{}</td></tr>") -> str:
    return "".join(row.format(cell.format(name), cell.format(value)) for name, value in TABLE.items())


OUTLOOK = f"""<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta charset=utf-8><style><!-- td {{x:y}}
Company name: Other --></style></head><body lang=EN-US><div class=WordSection1><p class=MsoNormal>Hello,<o:p></o:p></p>
<table class=MsoTable border=1>
 <tbody>{cells("<p class=MsoNormal><span lang=EN-US>{}<o:p></o:p></span></p>")}</tbody></table></div></body></html>"""


COLUMNS = "".join(f"<th>{name}</th>" for name in TABLE)
VALUES = "".join(f"<td><p>{value}</p></td>" for value in TABLE.values())
WITH_NOTES = """<table><tr><td>Text</td><td>Basic information</td><td>Company name: ACME<br>Company Project name:
Finance<br>Contract signing date: 2024 year 03 month 01 day</td><td>-</td></tr><tr><td>Way to register</td><td>Local
container authentication</td><td>-</td></tr>
<tr><td>Maximum number of registrations</td><td>3</td><td>1 unless given</td></tr>"""
WITH_QUOTE = f"""<table>{cells()}</table><p>On Friday the vendor wrote:</p><blockquote><table><tr><td>Company name</td>
<td>Other</td></tr><tr><td>Maximum number</td><td>9</td></tr></table></blockquote>"""


@pytest.mark.parametrize(
    "html",
    [
        f"<p>Hello,</p><table>{cells()}</table>",
        f"<table>{cells(row='<tr><td>{}<td>{}')}</table>",
        f"<table><tr><th>Field<th>Value</tr>{cells(row='<tr><th>{}</th><td>{}</td></tr>')}</table>",
        OUTLOOK,
        f"<table><tr>{COLUMNS}</tr><tr>{VALUES}</tr></table>",
        "".join(f"<div><b>{name}:</b>&nbsp;{value}</div>" for name, value in TABLE.items()),
        "<br>".join(f"{name}: {value}" for name, value in TABLE.items()),
        "<ul>" + "".join(f"<li>{name}&#65306;{value}" for name, value in TABLE.items()) + "</ul>",
        f"<dl>{cells(row='<dt>{}</dt><dd>{}</dd>')}</dl>",
        WITH_NOTES,
        WITH_QUOTE,
        f"<p>FYI</p><blockquote type=cite><table>{cells('<p>{}</p>')}</table></blockquote>",
        f"<table>{cells()}</table><div style='display: none'><div>Maximum number: 9</div></div>",
    ],
    ids=range(13),
)
def test_r29_a_mail_in_html_is_read(html: str) -> None:
    assert asked(application_mail.read(html_mail(html))) == ASKED
    assert asked(application_mail.read(html_mail(html, plain="This mail is in HTML.\n"))) == ASKED


def test_r29_the_plain_text_of_a_table_may_have_lost_its_form() -> None:
    flat = " ".join(f"{name} {value}" for name, value in TABLE.items())
    assert asked(application_mail.read(html_mail(f"<table>{cells()}</table>", plain=flat))) == ASKED


@pytest.mark.parametrize("transfer", ["quoted-printable", "base64", "8bit"])
@pytest.mark.parametrize("charset", ["utf-8", "gb18030", "gbk", "gb2312"])
def test_r29_a_chinese_mail_in_its_charsets(charset: str, transfer: str) -> None:
    read = application_mail.read(encoded_mail(CHINESE_FORM, CHINESE_TITLE, charset, transfer))
    assert (read.company, read.project) == ("宏图软件(上海)有限公司", "报表平台")
    assert (read.signed_on, read.max_nodes) == ("2024-03-01", 3)


def test_r29_a_traditional_chinese_mail_in_big5() -> None:
    read = application_mail.read(encoded_mail(TRADITIONAL, "宏圖公司註冊FineReport正式授權文件", "big5", "base64"))
    assert (read.company, read.project, read.max_nodes) == ("宏圖", "財務", 3)


def test_r29_gbk_under_the_name_of_gb2312_is_read() -> None:
    form, title = CHINESE_FORM.replace("宏图", "喆镕"), CHINESE_TITLE.replace("宏图", "喆镕")
    read = application_mail.read(encoded_mail(form, title, "gbk", "base64", named="gb2312"))
    assert read.company == "喆镕软件(上海)有限公司"


def test_r29_a_mail_without_the_name_of_its_charset_is_read() -> None:
    head = f"From: {SENDER}\r\nSubject: {CHINESE_TITLE}\r\n\r\n"
    for charset in ("utf-8", "gb18030"):
        assert application_mail.read((head + CHINESE_FORM).encode(charset)).project == "报表平台"
    assert application_mail.read(b"\xef\xbb\xbf\r\n" + (head + CHINESE_FORM).encode()).project == "报表平台"


HEAD = f"From: {SENDER}\r\nSubject: {TITLE}\r\n"


@pytest.mark.parametrize(
    "content",
    [
        f"{HEAD}Content-Type: text/plain; charset=x-unknown\r\n\r\n{FORM}".encode(),
        f"{HEAD}Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n{FORM}".encode(),
        f"{HEAD}Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
        + base64.encodebytes(FORM.encode("utf-16")),
        f"From: 张三 <{SENDER}>\r\nSubject: {TITLE}\r\n\r\n{FORM}".encode("gbk"),
        f"From ops@acme.example Fri Mar  1\n{HEAD}\r\n{FORM}".encode(),
        f"{HEAD}\r\n{FORM}".replace(" ", "\u00a0").replace(":\u00a0", ": ").encode(),
        b"From: =?GB2312?B?" + base64.b64encode("喆镕".encode("gbk")) + f"?= <{SENDER}>\r\nSubject: {TITLE}".encode()
        + f"\r\n\r\n{FORM}".encode(),
    ],
    ids=range(7),
)  # fmt: skip
def test_r29_mails_as_odd_programs_send_them(content: bytes) -> None:
    assert asked(application_mail.read(content)) == ASKED


def test_r29_the_form_is_read_beside_attachments_and_not_in_them() -> None:
    message = EmailMessage(policy=SMTP)
    message["From"], message["Subject"] = SENDER, TITLE
    message.set_content("See the table.\n")
    message.add_alternative(f"<table>{cells()}</table>", subtype="html")
    message.add_attachment(b"x", maintype="image", subtype="png", filename="logo.png")
    assert asked(application_mail.read(message.as_bytes())) == ASKED
    message.clear_content()
    message.set_content("See the attached form.\n")
    message.add_attachment(FORM.encode(), maintype="text", subtype="plain", filename="form.txt")
    with pytest.raises(RefusedError, match="attachments are not read"):
        application_mail.read(message.as_bytes())


def test_r29_lines_that_a_mail_program_has_wrapped_are_joined() -> None:
    long = "A" + " Very Long Company Name" * 4
    flowed = mail(title=TITLE.replace("ACME", long), text=FORM.replace("ACME", long.replace("Name A", "Name \nA", 1)))
    flowed = flowed.replace(b"text/plain;", b"text/plain; format=flowed;")
    assert application_mail.read(flowed).company.split() == long.split()


@pytest.mark.parametrize(
    "content",
    [
        mail(text="*" * 60_000 + "\n" + "_" * 3000 + "-" * 2000),
        mail(text="(" * 60_000),
        mail(text="Company name  " * 4000),
        html_mail("<br>" * 100_000 + "<b> </b>" * 50_000),
        html_mail("<td>" * 16_000),
        html_mail("<div hidden>" * 20_000),
        mail(title="=?" * 4000),
    ],
    ids=range(7),
)
@pytest.mark.timeout(20)
def test_r29_mails_made_to_be_slow_are_not(content: bytes) -> None:
    with pytest.raises(RefusedError):
        application_mail.read(content)
