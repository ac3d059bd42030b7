"""Finding a study by words: which of several texts a question is most likely about.

Words are compared by their stems. A word counts for more the fewer studies use it (inverse
document frequency; Spärck Jones, 1972), a question is close to a wording as the cosine between the
two says (Salton, 1975), and words that any question has count for nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches

LEAST = 0.4
"""Below this closeness, of at most 1, a study is not what was asked for."""

NEAR = 0.6
"""Of the best closeness, what another study needs to be named beside it."""

_SPELLING = 0.75  # likeness from which an unknown word is taken for a known one
_IN_ANY_QUESTION = frozenset(
    """
    a about affect all an and any are as at be because been best better between big but by can come
    could did differ difference do does effect else enough ever explain from get give good great
    has have help how i if impact improve in influence into is it its just know less like lot make
    many matter me mean more most much my need net network neural not of off on one or our over pay
    really result should so some tell than that the their them then there these they thing this to
    too true us use useful using very want was we well were what when where whether which while who
    why will with work worse worth would you your
    """.split()  # noqa: SIM905 (as a list, it would be as long as the module)
)
_ENDINGS = ("izations", "ization", "ations", "ation", "izers", "izer", "izing", "ized", "ize")
_SHORTER_ENDINGS = ("ingly", "ings", "ing", "ers", "er", "ed", "ly", "al", "e")
_SHORTEST_STEM = 4


def closest(question: str, wordings: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names that a question may mean, the closest first; none where none is close.

    `wordings` holds, for each name, texts that say the same in other words. A question that is a
    name means it; one that is among the wordings of a name means that first.
    """
    asked = _words(question)
    for name in wordings:
        if asked == _words(name):
            return [name]
    said = {name: (name, *texts) for name, texts in wordings.items()}
    terms = {name: [set(_terms(text)) for text in texts] for name, texts in said.items()}
    frequency = Counter(term for texts in terms.values() for term in set().union(*texts))
    words = _known(list(_terms(question)), frequency)
    if not words:
        return []

    def weight(some: Collection[str]) -> float:
        return sum(math.log(1 + len(terms) / frequency.get(term, 1)) for term in some)

    def closeness(texts: Sequence[set[str]]) -> float:
        """The cosine with the closest wording, and the share of the words that any has."""
        whole = weight(words)
        cosine = max(weight(words & t) / math.sqrt(whole * weight(t)) if t else 0 for t in texts)
        return (cosine + weight(words & set().union(*texts)) / whole) / 2

    found = {name: closeness(texts) for name, texts in terms.items()}
    verbatim = {name for name, texts in said.items() if asked in map(_words, texts)}
    least = max(LEAST, NEAR * max(found.values(), default=0))
    return sorted(
        (name for name in found if found[name] >= least or name in verbatim),
        key=lambda name: (name not in verbatim, -found[name]),
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _terms(text: str) -> Iterator[str]:
    """Yield the stems of a text's words, those left out that any question may have."""
    for word in _words(text):
        if word not in _IN_ANY_QUESTION and (stem := _stem(word)) not in _IN_ANY_QUESTION:
            yield stem


def _stem(word: str) -> str:
    """Return a word without its ending: optimisers, optimizer and optimize are one."""
    word = word.replace("isation", "ization")
    word = re.sub(r"(?<=[a-z]{4})is(?=(e|ed|er|ers|es|ing)$)", "iz", word)
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in (*_ENDINGS, *_SHORTER_ENDINGS):
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending)
    return word


def _known(words: Sequence[str], known: Collection[str]) -> set[str]:
    """Return words as they are known: joined, taken apart or spelt otherwise where they are not."""
    found, left = set[str](), list(words)
    while left:
        word = left.pop(0)
        if left and word + left[0] in known and not {word, left[0]} <= set(known):
            found.add(word + left.pop(0))
        elif word in known:
            found.add(word)
        else:
            alike = _parts(word, known) or get_close_matches(word, known, 1, _SPELLING)
            found |= set(alike or [word])
    return found


def _parts(word: str, known: Collection[str]) -> tuple[str, ...]:
    """Return the two known words that a word is made of, or none."""
    for end in range(3, len(word) - 1):
        if word[:end] in known and word[end:] in known:
            return word[:end], word[end:]
    return ()
