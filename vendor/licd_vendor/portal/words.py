"""A refusal in words: a title, what it means, what to do, and the HTTP status, in the phone's language.

All the portal's sentences are in english.py and chinese.py, so that another language is another such file.
"""

from licd_vendor.domain.scan import Refusal, RefusedScan
from licd_vendor.portal import chinese, english
from licd_vendor.portal.language import Language
from licd_vendor.portal.sentences import Sentences, Words

SENTENCES: dict[Language, Sentences] = {
    Language.ENGLISH: english.SENTENCES,
    Language.CHINESE: chinese.SENTENCES,
}


def of(refused: RefusedScan, language: Language = Language.ENGLISH) -> Words:
    """Give the words for a refusal."""
    sentences = SENTENCES[language]
    if refused.kind is Refusal.CLOCK_OFF:
        return sentences.clock_off(refused.clock_offset)
    return sentences.refusals[refused.kind]
