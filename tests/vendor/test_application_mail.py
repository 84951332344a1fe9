"""R29: the customer's mail, and every way in which it is refused."""

from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from licd_vendor.domain import application_mail
from licd_vendor.domain.application_mail import ApplicationMail
from licd_vendor.errors import RefusedError

TITLE = "ACME company registration Report Server 10.0 official authorization document"
LINES = {
    "Company name": "ACME",
    "Project name": "Finance",
    "Contract signing date": "2024-03-01",
    "Way to register": "LOCAL_CONTAINER",
    "Maximum number": "3",
}


def mail(
    *, title: str = TITLE, sender: str = "Ops <ops@acme.example>", text: str | None = None, **lines: str | None
) -> bytes:
    """An application mail, with changes; None leaves a line out."""
    changed = {name.replace("_", " ").capitalize(): value for name, value in lines.items()}
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = "licenses@vendor.example"
    message["Subject"] = title
    message["Message-ID"] = "<one@acme.example>"
    said = "".join(f"{name}: {value}\n" for name, value in {**LINES, **changed}.items() if value is not None)
    message.set_content(f"Hello,\n\n{said}\nKind regards\n" if text is None else text)
    return message.as_bytes()


EXPECTED = ApplicationMail("ops@acme.example", "ACME", "Finance", "2024-03-01", 3, "<one@acme.example>")


def test_r29_the_mail_says_what_is_asked_for() -> None:
    assert application_mail.read(mail()) == EXPECTED


@pytest.mark.parametrize(
    "content",
    [
        mail(title="acme  COMPANY registration official authorization document"),
        mail(company_name=" acme "),
        mail(way_to_register="Local container"),
        mail(text="".join(f"- {name.upper()} ：{value}\n" for name, value in LINES.items())),
        mail(text="".join(f"{at}. {item[0]}: {item[1]}\n" for at, item in enumerate(LINES.items(), 1))),
        mail(text="> Maximum number: 9\n" + "".join(f"{name}:{value}\n" for name, value in LINES.items())),
        mail().replace(b"Maximum number:", b"Maximum number of registrations:"),
        mail().replace(b"\r\n", b"\n"),
    ],
    ids=lambda _: None,
)
def test_r29_it_may_be_written_in_more_than_one_way(content: bytes) -> None:
    read = application_mail.read(content)
    assert (read.sender, read.company.casefold(), read.max_nodes) == ("ops@acme.example", "acme", 3)


def test_r29_the_maximum_is_1_unless_asked_for() -> None:
    assert application_mail.read(mail(maximum_number=None)).max_nodes == 1


def test_r29_text_beside_html_is_read() -> None:
    message = EmailMessage(policy=SMTP)
    message["From"], message["Subject"] = "ops@acme.example", TITLE
    message.set_content("".join(f"{name}: {value}\n" for name, value in LINES.items()))
    message.add_alternative("<p>Maximum number: 99</p>", subtype="html")
    read = application_mail.read(message.as_bytes())
    assert (read.max_nodes, read.message_id) == (3, None)


NO_TEXT = mail().replace(b"text/plain", b"image/png")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (mail(company_name=None), "must say company name"),
        (mail(company_name="", project_name=None), "must say company name, project name"),
        (mail(contract_signing_date=None), "must say contract signing date"),
        (mail(contract_signing_date="01.03.2024"), "contract signing date: can be read as two days"),
        (mail(contract_signing_date="2024-02-30"), "contract signing date: not a date"),
        (mail(way_to_register=None), "must say way to register"),
        (mail(way_to_register="USB dongle"), "way to register must be LOCAL_CONTAINER"),
        (mail(maximum_number="three"), "maximum number must be a whole number"),
        (mail(maximum_number="-1"), "maximum number must be a whole number"),
        (mail(maximum_number="٣"), "maximum number must be a whole number"),
        (mail(maximum_number="0"), "maximum number: not within"),
        (mail(maximum_number="1e3"), "maximum number must be"),
        (mail(company_name="A\u202eB"), "company name: holds a control character"),
        (
            mail(text="Company name: B\n" + "".join(f"{n}: {v}\n" for n, v in LINES.items())),
            "must be in the mail only once",
        ),
        (mail(title="Please send a license"), "the title must be"),
        (mail(title=f"Re: {'x' * 2000} {TITLE}"), "the title must be"),
        (mail(title=TITLE.replace("ACME", "Other")), "the title's company, 'Other', must be the text's, 'ACME'"),
        (mail().replace(b"Subject:", b"X-Subject:"), "the title must be"),
        (mail().replace(b"From:", b"From: other@acme.example\r\nFrom:"), "one sender"),
        (mail(sender="a@acme.example, b@acme.example"), "one sender"),
        (mail().replace(b"From:", b"X-From:"), "one sender"),
        (mail().replace(b"<ops@acme.example>", b"<nobody>"), "From: not a mail address"),
        (NO_TEXT, "must have a text"),
        (b"", "one sender"),
        (b"\x00" * 100, "one sender"),
        (mail(text="x" * 70_000), "at most 65536 characters"),
        (b"x" * (1024 * 1024 + 1), "at most 1 MiB"),
    ],
    ids=lambda each: each if isinstance(each, str) else "mail",
)
def test_r29_refusal_names_the_rule_and_the_field(content: bytes, word: str) -> None:
    with pytest.raises(RefusedError, match=r"^R29: ") as refusal:
        application_mail.read(content)
    assert word in str(refusal.value)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(mail()) - 1), byte=st.binary(min_size=0, max_size=3))
@example(at=mail().index(b" <ops@"), byte=b".")
@example(at=mail().index(b"@acme.example>\r\nContent") + 1, byte=b"[ ]")
def test_r29_a_garbled_mail_is_read_or_refused_and_nothing_else(at: int, byte: bytes) -> None:
    content = mail()
    try:
        application_mail.read(content[:at] + byte + content[at + 1 :])
    except RefusedError as refusal:
        problem = str(refusal)
    else:
        problem = "R29: "
    assert problem.startswith("R29: ")


def test_r29_a_text_made_to_be_slow_is_not() -> None:
    text = ("a " * 39 + "\n") * 600 + "Company name" + " " * 5000 + ":" + " " * 5000 + "x\n"
    with pytest.raises(RefusedError, match="must say"):
        application_mail.read(mail(text=text))
