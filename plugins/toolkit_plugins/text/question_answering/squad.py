"""The files of SQuAD as published: articles that hold paragraphs that hold questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, Fault

if TYPE_CHECKING:
    import datasets


def read(train: str, validation: str | None = None, test: str | None = None) -> Any:
    """Return the questions of such files, a row each, by split.

    Args:
        train, validation, test: paths, from where the command is run.
    """
    import datasets

    files = {"train": train, "validation": validation, "test": test}
    return datasets.DatasetDict(
        {split: _table(Path(path).expanduser()) for split, path in files.items() if path}
    )


def _table(path: Path) -> datasets.Dataset:
    import datasets

    if path.exists() and not path.is_file():  # a pipe or a device has no end to read to
        raise DataError(Fault(str(path), "is no plain file"))
    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"))
        rows = list(_rows(whole["data"]))
    except OSError as error:
        raise DataError(Fault(str(path), f"cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError:
        raise DataError(Fault(str(path), "is not UTF-8 text")) from None
    except json.JSONDecodeError as error:
        raise DataError(Fault(f"{path}:{error.lineno}", f"is no JSON: {error.msg}")) from None
    except RecursionError:
        raise DataError(Fault(str(path), "is nested too deeply to be read")) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = "is not laid out as SQuAD's files are (data, paragraphs, qas)"
        raise DataError(Fault(str(path), f"{what}: {type(error).__name__} {error}")) from None
    if not rows:
        raise DataError(Fault(str(path), "holds no questions"))
    text, number = datasets.Value("string"), datasets.Value("int64")
    answers = {"text": datasets.List(text), "answer_start": datasets.List(number)}
    features = datasets.Features(
        {**dict.fromkeys(("id", "title", "context", "question"), text), "answers": answers}
    )
    return datasets.Dataset.from_list(rows, features=features)


def _rows(articles: Any) -> Iterator[Mapping[str, Any]]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = question.get("answers") or []
                yield {
                    "id": str(question.get("id", "")),
                    "title": str(article.get("title", "")),
                    "context": _text(paragraph, "context"),
                    "question": _text(question, "question"),
                    "answers": {
                        "text": [str(answer["text"]) for answer in answers],
                        "answer_start": [int(answer["answer_start"]) for answer in answers],
                    },
                }


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is no text but {str(value)[:40]}")
    return value
