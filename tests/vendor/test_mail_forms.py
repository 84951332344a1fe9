"""R29: the application mail as people and their mail programs write it, in English and Chinese."""

import pytest
from vendor.test_application_mail import TITLE, mail

from licd_vendor.domain import application_mail
from licd_vendor.domain.application_mail import ApplicationMail
from licd_vendor.errors import RefusedError

SENDER = "ops@acme.example"
TABLE = {
    "Company Name": "ACME",
    "Company Project name": "Finance",
    "Contract signing date": "2024 year 03 month 01 day",
    "Way to register": "Local container authentication",
    "Maximum number of registrations": "3",
}
FORM = "".join(f"{name}: {value}\n" for name, value in TABLE.items())


def written(form: str, *, title: str = TITLE) -> ApplicationMail:
    return application_mail.read(mail(title=title, text=form))


def asked(read: ApplicationMail) -> tuple[str, ...]:
    return read.sender, read.company, read.project, read.signed_on, str(read.max_nodes)


ASKED = (SENDER, "ACME", "Finance", "2024-03-01", "3")


def test_r29_the_form_of_the_vendors_table_is_read() -> None:
    assert asked(written(FORM, title="ACME company registration FineReport official authorization document")) == ASKED


@pytest.mark.parametrize(
    "date",
    [
        "2024-03-01",
        "2024-3-1",
        "2024/3/1",
        "2024/03/01",
        "2024.03.01",
        "20240301",
        "２０２４-０３-０１",
        "2024 year 03 month 01 day",
        "2024 Year 3 Month 1 Day",
        "2024year03month01day",
        "2024年3月1日",
        "2024年03月01日",
        "2024 年 3 月 1 日",
        "２０２４年３月１日",
        "2024年3月1号",
        "二〇二四年三月一日",
        "1 March 2024",
        "01 Mar 2024",
        "1st of March, 2024",
        "1-Mar-2024",
        "March 1, 2024",
        "Mar. 1st 2024",
        "MARCH 01 2024",
        "2024 March 1",
        "2024/3/1 0:00",
        "2024-03-01T00:00:00",
        "2024 year 03 month 01 date",
        "2024-03-01.",
    ],
)
def test_r29_a_date_is_read_as_people_write_it(date: str) -> None:
    assert written(FORM.replace("2024 year 03 month 01 day", date)).signed_on == "2024-03-01"


@pytest.mark.parametrize(
    ("date", "day"),
    [
        ("25/03/2024", "2024-03-25"),
        ("03/25/2024", "2024-03-25"),
        ("04.04.2024", "2024-04-04"),
        ("10 Sept 2024", "2024-09-10"),
        ("二〇二四年十二月三十一日", "2024-12-31"),
        ("二〇二四年十月二十日", "2024-10-20"),
    ],
)
def test_r29_a_date_that_can_be_read_in_one_way_only_is_read(date: str, day: str) -> None:
    assert written(FORM.replace("2024 year 03 month 01 day", date)).signed_on == day


@pytest.mark.parametrize(
    ("date", "word"),
    [
        ("03/01/2024", "can be read as two days"),
        ("3-1-2024", "can be read as two days"),
        ("01.03.2024", "can be read as two days"),
        ("2024-02-30", "not a date"),
        ("31/02/2024", "not a date"),
        ("1 Foo 2024", "not a date"),
        ("24-03-01", "not a date"),
        ("March 2024", "not a date"),
        ("２０２４", "not a date"),
        ("0000-01-01", "not a date"),
        ("2024-03-01 or 2024-04-01", "not a date"),
    ],
)
def test_r29_a_date_that_is_none_or_two_is_refused_with_what_to_write(date: str, word: str) -> None:
    with pytest.raises(RefusedError, match=rf"^R29: contract signing date: {word}; write it YYYY-MM-DD"):
        written(FORM.replace("2024 year 03 month 01 day", date))


@pytest.mark.parametrize(
    "way",
    [
        "LOCAL_CONTAINER",
        "local container",
        "Local container authentication",
        "LOCAL CONTAINER AUTHENTICATION.",
        "Local-container authentication",
        "Local Container AUTH",
        "Local  container\u00a0authentication",
        "AUTH_METHOD_LOCAL_CONTAINER",
        "Local container authentication (LOCAL_CONTAINER)",
        "本地容器认证",
        "本地容器认证（Local container authentication）",
        "本地容器注册",
        "本地容器",
        "本地容器認證",
    ],
)
def test_r29_local_container_authentication_in_its_spellings(way: str) -> None:
    assert asked(written(FORM.replace("Local container authentication", way))) == ASKED


@pytest.mark.parametrize(
    "way",
    [
        "Private Cloud Authentication",
        "private cloud",
        "Public cloud authentication",
        "Container private cloud authentication",
        "Local machine information authentication",
        "Local container authentication / Private cloud authentication",
        "not local container authentication",
        "私有云认证",
        "容器私有云认证",
        "公有云认证",
        "本地机器信息认证",
        "USB dongle",
        "container",
        "()",
    ],
)
def test_r29_other_ways_to_register_are_refused_with_what_to_write(way: str) -> None:
    with pytest.raises(RefusedError, match=r"^R29: way to register must be LOCAL_CONTAINER; write `Way"):
        written(FORM.replace("Local container authentication", way))


@pytest.mark.parametrize(
    "number", ["3", "03", "３", "3 nodes", "3 node(s)", "3个", "3 个节点", "3台", "3 servers", " 3 "]
)
def test_r29_the_maximum_with_its_unit_or_without(number: str) -> None:
    assert written(FORM.replace(": 3\n", f": {number}\n")).max_nodes == 3


@pytest.mark.parametrize(
    "number",
    ["three", "三", "3-5", "3 or 4", "3²", "3.5", "1,000", "1 000", "3 (of 5)", "+3", "-3", "~3", "3 x 4", "max 3"],
)
def test_r29_a_maximum_that_has_to_be_guessed_is_refused(number: str) -> None:
    with pytest.raises(RefusedError, match=r"^R29: maximum number must be a whole number"):
        written(FORM.replace(": 3\n", f": {number}\n"))


@pytest.mark.parametrize(
    "left_out", ["", "Maximum number of registrations:\n", "Maximum number of registrations: \n\nRegards\n"]
)
def test_r29_a_maximum_that_is_left_out_or_empty_is_1(left_out: str) -> None:
    assert written(FORM.replace("Maximum number of registrations: 3\n", left_out)).max_nodes == 1


@pytest.mark.parametrize(
    "name",
    [
        "Maximum number",
        "MAXIMUM NUMBER OF REGISTRATIONS",
        "Maximum number of nodes",
        "Maximum number of cluster nodes",
        "Max number of nodes",
        "Max. nodes",
        "Maximum Registerable Amount",
        "Maximum registrable amount",
        "Number of nodes",
        "最大注册数",
        "最大注册数量",
        "最大可注册量",
        "最大可注册数",
        "最大授权数",
        "最大授权数量",
        "注册数量",
        "最大节点数",
        "集群节点数",
        "最大註冊數",
    ],
)
def test_r29_names_of_the_maximum(name: str) -> None:
    assert written(FORM.replace("Maximum number of registrations", name)).max_nodes == 3


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("Company Name", "company name"),
        ("Company Name", "COMPANY NAME  "),
        ("Company Name", "Name of the company"),
        ("Company Name", "Company"),
        ("Company Name", "公司名称"),
        ("Company Name", "公司名称/Company name"),
        ("Company Name", "Company name (公司名称)"),
        ("Company Name", "公司名稱"),
        ("Company Name", "企业名称"),
        ("Company Project name", "Project name"),
        ("Company Project name", "Company project Name"),
        ("Company Project name", "Project"),
        ("Company Project name", "项目名称"),
        ("Company Project name", "公司项目名称"),
        ("Company Project name", "專案名稱"),
        ("Contract signing date", "Date of contract signing"),
        ("Contract signing date", "Contract date"),
        ("Contract signing date", "Contract signing date (YYYY-MM-DD)"),
        ("Contract signing date", "合同签署日期"),
        ("Contract signing date", "合同签订日期"),
        ("Contract signing date", "合同签定日期"),
        ("Contract signing date", "签约日期"),
        ("Way to register", "Way of registration"),
        ("Way to register", "Registration method"),
        ("Way to register", "注册方式"),
        ("Way to register", "认证方式"),
    ],
)
def test_r29_names_of_the_other_fields(field: str, name: str) -> None:
    assert asked(written(FORM.replace(field, name, 1))) == ASKED


def rows(divider: str, before: str = "", behind: str = "") -> str:
    return "".join(f"{before}{name}{divider}{value}{behind}\n" for name, value in TABLE.items())


@pytest.mark.parametrize(
    "form",
    [
        rows("："),
        rows(" : "),
        rows(":"),
        rows(": ", behind="   "),
        rows(": ", behind=";"),
        rows(" = "),
        rows(" - "),
        rows("\t"),
        rows(" | "),
        rows(" | ", "| ", " |"),
        "| Field | Value |\n|---|---|\n" + rows(" | ", "| ", " |"),
        rows("    "),
        rows("\n"),
        rows(":\t"),
        rows("\t:\t"),
        rows(" │ ", "│ ", " │\n├──┼──┤"),
        rows(": ").replace("\n", "; "),
        "Please: " + rows(":").replace("\n", "，"),
        rows(": ").replace("\n", " "),
        f"{FORM}\nAnn\nCompany: ACME Holding\nProject: all of them\n",
        f"Company: ACME Holding\n{FORM}",
        rows(":\n"),
        rows("\n\n", behind="\n\n"),
        rows(": ", "- "),
        rows(": ", "* "),
        rows(": ", "• "),
        rows(":** ", "**"),
        rows("*: ", "*"),
        rows(": ", "*", "*"),
        rows(": **", behind="**"),
        rows("** | **", "| **", "** |"),
        rows("\n*", behind="*"),
        rows(": ", "1. "),
        rows(": ", "1、"),
        rows(": ", "（1）"),
        rows(": ", "\u3000\u3000"),
        rows(": ", "\u200b"),
        "\t".join(TABLE) + "\n" + "\t".join(TABLE.values()) + "\n",
        "| " + " | ".join(TABLE) + " |\n|---|---|---|---|---|\n| " + " | ".join(TABLE.values()) + " |\n",
        "\n".join(reversed(FORM.splitlines())),
        FORM.upper(),
        "Basic information\t" + FORM.replace("\n", "\t-\n"),
        f"{FORM}\n> Company name: Other\n> Maximum number: 9\n",
        f"{FORM}\n-----Original Message-----\nFrom: v@vendor.example\nSubject: x\n\nMaximum number: 9\n",
        f"{FORM}\nFrom: Vendor <v@vendor.example>\nSent: Friday\nTo: ops\n\nCompany name: Other\nMaximum number: 9\n",
        f"{FORM}\n------------------ 原始邮件 ------------------\n发件人: v\n\nCompany name: Other\n",
        f"FYI\n\n---------- Forwarded message ---------\nFrom: Bob <b@acme.example>\nSubject: x\n\n{FORM}",
        f"FYI\n\nBob\nCompany: ACME Holding\n\n-------- 转发邮件信息 --------\n发件人: Ann\n\n{FORM}",
        f"Begin forwarded message:\n\nFrom: Bob\nSubject: x\n\n{FORM}",
        f"Bob wrote:\n{rows(': ', '> ')}",
        f"Bob wrote:\n{rows(': ', '> > ')}",
        f"{FORM}{FORM}",
        f"Dear vendor,\nplease see below: our company name is known to you.\n{FORM}\nRegards\nACME, Main Street 1\n",
    ],
    ids=range(53),
)  # fmt: skip
def test_r29_the_form_is_read_however_it_is_laid_out(form: str) -> None:
    read = written(form, title=TITLE.upper() if form.isupper() else TITLE)
    assert tuple(text.casefold() for text in asked(read)) == tuple(text.casefold() for text in ASKED)


@pytest.mark.parametrize(
    "title",
    [
        f"Re: {TITLE}",
        f"FW: Fwd: {TITLE}",
        f"答复：{TITLE}",
        f"转发: Re: {TITLE}",
        TITLE.replace(" 10.0 official authorization", " 10.0 Official Authorisation"),
        "ACME公司注册FineReport正式授权文件",
        "ACME 公司注册 FineReport 正式授权文件",
        "ＡＣＭＥ公司注册正式授权文件",
    ],
)
def test_r29_the_title_names_the_company(title: str) -> None:
    assert asked(written(FORM, title=title)) == ASKED


@pytest.mark.parametrize("company", ["ACME Company", "ACME公司", "acme company"])
def test_r29_the_titles_company_may_be_part_of_its_sentence(company: str) -> None:
    assert written(FORM.replace("ACME", company)).company == company


@pytest.mark.parametrize(
    "title",
    [
        "registration of Report Server official authorization document",
        "company registration Report Server official authorization document",
        "公司注册FineReport正式授权文件",
        "Re:",
        "",
    ],
)
def test_r29_a_title_without_a_company_is_refused(title: str) -> None:
    with pytest.raises(RefusedError, match=r"^R29: the title must be `COMPANY company registration APPLICATION"):
        written(FORM, title=title)


@pytest.mark.parametrize(
    ("form", "word"),
    [
        (f"{FORM}Company name: Other\n", "company name must be in the mail only once; it says 'ACME' and 'Other'"),
        (f"{FORM}Maximum number: 4\n", "maximum number must be in the mail only once"),
        (f"{FORM}最大注册数：4\n", "maximum number must be in the mail only once"),
        ("Maximum number: 5\n" + rows(": ", "> "), "must say company name, project name"),
        ("", "must say company name"),
        (FORM.replace("ACME", ""), "must say company name: one line each, such as `Company name: ACME`"),
    ],
)
def test_r29_what_does_not_say_one_thing_is_refused(form: str, word: str) -> None:
    with pytest.raises(RefusedError, match=r"^R29: ") as refusal:
        written(form)
    assert word in str(refusal.value)


def test_r29_outlooks_own_format_is_named() -> None:
    with pytest.raises(RefusedError, match=r"save the mail as \.eml"):
        application_mail.read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000))
