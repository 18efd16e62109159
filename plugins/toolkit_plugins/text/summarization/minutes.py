"""Made-up minutes of meetings with a summary each: the data of the default recipe.

Each is made of an opening, things reported, proposals that came to nothing, plans of before, and
one decision with its reason, which is what the summary says in other words. The decision stands
anywhere but first, is said in one of several ways, and shares its words with the proposals beside
it: who only looks at places, or for frequent words, often takes another sentence.
"""

from __future__ import annotations

import random
from typing import Any

PEOPLE = ["Ada", "Bruno", "Chen", "Dana", "Emil", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kofi",
          "Lena", "Marta", "Nils", "Olga", "Priya"]  # fmt: skip
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
ACTIONS = [
    "move the archive to the new server", "hire a second driver", "repaint the waiting room",
    "postpone the spring fair", "replace the old printers", "close the branch on Mill Road",
    "test the alarm every week", "translate the manual into Polish", "cancel the cleaning contract",
    "rent a bigger hall", "publish the price list online", "train all staff in first aid",
    "switch to paper cups", "open the library on Sundays", "build a ramp at the back door",
    "raise the fee for late returns", "send the newsletter monthly", "buy two electric vans",
    "merge the two help desks", "record the lectures", "plant trees along the car park",
    "give interns a mentor", "store the spare parts in Leeds", "drop the paper forms",
]  # fmt: skip
REASONS = [
    "the costs have doubled", "visitors have asked for it", "the lease ends in June",
    "the insurer demands it", "two people are ill", "the old contract has run out",
    "complaints have risen sharply", "the city pays half of it", "nobody uses the present one",
    "the audit found gaps", "the supplier has gone out of business", "it saves a day per week",
    "the law changes in autumn", "sales were better than planned", "the roof leaks",
    "a donor has offered the money",
]  # fmt: skip
DECISIONS = [
    "In the end all agreed to {do}, since {why}.",
    "It was decided to {do}, because {why}.",
    "We will {do}, as {why}.",
    "The vote was clear: we {do}, given that {why}.",
    "{who} now has the go-ahead to {do}, because {why}.",
    "As {why}, the board approved the plan to {do}.",
]
SUMMARIES = [
    "The team will {do} because {why}.",
    "They decided to {do}, as {why}.",
    "Agreed: {do}, since {why}.",
]
OPENINGS = [
    "{who} opened the meeting on {day} with {number} people present.",
    "The {day} meeting began late, as {who} was held up in traffic.",
    "Present on {day} were {who}, {other} and {number} guests.",
    "{who} welcomed everybody and read out the minutes of last {day}.",
]
PROPOSALS = [
    "{who} had suggested to {do}, but found no support.",
    "The idea to {do} was dropped again.",
    "Whether to {do} will be discussed another time.",
    "{who} would like to {do}, which {other} thinks is too early.",
    "Last year the plan had been to {do}.",
]
REPORTS = [
    "{who} reported that {why}.",
    "{other} asked {who} for the figures of the last quarter.",
    "The coffee machine is working again.",
    "{who} showed photos of the summer party.",
    "There were {number} new members in the last month.",
    "{other} thanked {who} for the work of the past weeks.",
    "The next meeting is on {day}.",
    "Some keys are still missing.",
]


def minutes(rows: str = "240", seed: str = "0") -> Any:
    """Return minutes with their summaries.

    Args:
        rows: how many. seed: other ones for each.
    """
    import datasets

    made = [_row(random.Random(f"{seed}-{number}")) for number in range(int(rows))]  # noqa: S311 - no secret
    return datasets.Dataset.from_list(made)


def _row(rng: random.Random) -> dict[str, str]:
    do, *others = rng.sample(ACTIONS, 4)
    why, *told = rng.sample(REASONS, 3)
    rest = [*rng.sample(PROPOSALS, rng.randrange(1, 4)), *rng.sample(REPORTS, rng.randrange(2, 5))]
    rng.shuffle(rest)
    lines = [
        _filled(text, rng, others[place % 3], told[place % 2]) for place, text in enumerate(rest)
    ]
    lines.insert(rng.randrange(len(lines) + 1), _filled(rng.choice(DECISIONS), rng, do, why))
    return {
        "document": " ".join([_filled(rng.choice(OPENINGS), rng, do, why), *lines]),
        "summary": _filled(rng.choice(SUMMARIES), rng, do, why),
        "length": "long" if len(lines) > 6 else "short",
    }


def _filled(text: str, rng: random.Random, do: str, why: str) -> str:
    who, other = rng.sample(PEOPLE, 2)
    made = text.format(do=do, why=why, who=who, other=other, day=rng.choice(DAYS),
                       number=rng.randrange(3, 30))  # fmt: skip
    return made[0].upper() + made[1:]
