"""What presidio-analyzer finds in the texts of the corpus, for bench/redaction.js, which starts this with uv.

Pattern recognisers alone, on a blank English tokenizer: a spaCy model would add names and places, which are not measured here.
In: JSON on stdin, `{"texts": [...], "score": 0.0}`. Out: JSON, `{"version", "seconds", "found": [[{"start", "end", "kind"}]]}`,
offsets in characters.
"""

import json
import sys
import time
from importlib.metadata import version

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    PhoneRecognizer,
    UsItinRecognizer,
    UsSsnRecognizer,
)

KINDS = {
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "US_SSN": "ssn",
    "US_ITIN": "itin",
}


class BlankEngine(SpacyNlpEngine):
    """Tokens for the context words, and no model to download."""

    def __init__(self) -> None:
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}


def main() -> None:
    asked = json.load(sys.stdin)
    registry = RecognizerRegistry(supported_languages=["en"])
    for recognizer in (
        CreditCardRecognizer(),
        IbanRecognizer(),
        EmailRecognizer(),
        PhoneRecognizer(supported_regions=("US", "JP")),
        UsSsnRecognizer(),
        UsItinRecognizer(),
    ):
        registry.add_recognizer(recognizer)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=BlankEngine(), supported_languages=["en"])
    analyzer.analyze("warm up 4111 1111 1111 1111", language="en")
    began = time.perf_counter()
    found = [
        [
            {"start": result.start, "end": result.end, "kind": KINDS[result.entity_type]}
            for result in analyzer.analyze(
                text, language="en", entities=list(KINDS), score_threshold=asked["score"]
            )
        ]
        for text in asked["texts"]
    ]
    seconds = time.perf_counter() - began
    json.dump({"version": version("presidio-analyzer"), "seconds": seconds, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
