"""Tables as people have them: without times, with dates in any order, amounts as texts."""

import csv
import json
import random

import pytest

import toolkit
from toolkit.cli.main import outcome

pytest.importorskip("polars")
SMALL = {
    "model.from_config.hidden_size": 8,
    "model.from_config.num_hidden_layers": 1,
    "training.num_train_epochs": 2,
    "training.per_device_train_batch_size": 64,
}


def claims(rows=600, **more):
    """Return insurance claims; frauds are mostly of the young."""
    rng = random.Random(0)
    return [
        {"Month": rng.choice(["Jan", "Feb", "Mar"]), "WeekOfMonth": rng.randint(1, 5),
         "Make": rng.choice(["Honda", "Ford"]), "Age": rng.randint(20, 30 if n % 8 == 0 else 80),
         "VehiclePrice": rng.choice(["20000 to 29000", "more than 69000"]),
         "FraudFound_P": int(n % 8 == 0), "PolicyNumber": n + 1, "Year": rng.randint(1994, 1996),
         **{name: make(rng, n) for name, make in more.items()}}
        for n in range(rows)
    ]  # fmt: skip


def cards(rows=600):
    """Return card transactions whose time counts from the first, and whose columns are masked."""
    rng, seconds = random.Random(1), 0.0
    found = []
    for n in range(rows):
        seconds += rng.randint(0, 200)
        fraud = int(n % 10 == 0)
        found.append({"Time": seconds, **{f"V{i}": rng.gauss(2 * fraud, 1) for i in range(1, 5)},
                      "Amount": round(rng.expovariate(0.01), 2), "Class": fraud})  # fmt: skip
    return found


def payments(change=lambda row, n: row, days=20):
    """Return payments, eight a day; every fifth is a fraud."""
    return [
        change({"time": f"2024-01-{n // 8 + 1:02d}T{n % 8 + 8:02d}:00:00", "card": n % 7,
                "amount": 10.0 + n, "kind": "abc"[n % 3], "fraud": int(n % 5 == 0)}, n)
        for n in range(8 * days)
    ]  # fmt: skip


def written(folder, rows, name="rows.csv"):
    path = folder / name
    if name.endswith(".csv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def checked(capsys, data, *settings):
    words = [word for text in settings for word in ("--set", text)]
    code = outcome(["check", "fraud-detection", "--no-estimate", "--data", data, *words])
    found = capsys.readouterr()
    return code, " ".join((found.out + found.err).split())


def test_a_table_without_times_needs_its_label_alone(tmp_path, capsys):
    run = toolkit.run(
        "fraud-detection", data=written(tmp_path, claims()), out=tmp_path / "run",
        settings={**SMALL, "options.label": "FraudFound_P"},
    )  # fmt: skip
    assert run.record["status"] == "finished"
    assert run.record["reload"]["different"] == 0
    notes = " ".join(run.record["data"]["notes"])
    assert "no column of times was found" in notes
    assert "stratified by 'FraudFound_P'" in notes
    assert "PolicyNumber (a row number)" in notes
    assert "no amount, so costs cannot be weighed" in notes
    # An eighth of each split is fraud.
    assert run.record["data"]["rows"] == {"train": 360, "validation": 120, "test": 120}
    assert "expected_cost" not in run.record["metrics"]["test"]
    assert set(run.record["figures"]) == {"precision_recall"}
    kept = json.loads((run.path / "model" / "calibration.json").read_text())
    assert 0 < kept["threshold"] < 1
    new = {key: value for key, value in claims()[0].items() if key != "FraudFound_P"}
    assert 0 <= run.predict([new, {**new, "Age": None, "Make": None}])[1]["score"] <= 1


@pytest.mark.parametrize("label", ["FraudFound_P", "is_fraud", "isFraud", "fraud_reported", "Class",
                                   "target", "isfraud"])  # fmt: skip
def test_a_column_named_like_a_label_is_proposed(tmp_path, capsys, label):
    rows = [{label if k == "FraudFound_P" else k: v for k, v in row.items()} for row in claims(200)]
    code, said = checked(capsys, written(tmp_path, rows))
    assert code == 0, said
    assert f"label={label}" in said


def test_seconds_that_count_from_a_start_are_no_dates(tmp_path, capsys):
    data = written(tmp_path, cards())
    code, said = checked(capsys, data)
    assert code == 0, said
    assert "label=Class" in said
    assert "amount=Amount" in said
    assert "numeric=[Time, V1, V2, V3, V4]" in said
    assert "set options.time=Time" in said
    code, said = checked(capsys, data, "options.time=Time", "options.label_delay=0d")
    assert code == 0, said
    assert "latest rows by 'Time'" in said


@pytest.mark.parametrize("name", ["VALUE", "sum_insured", "amount", "value_eur"])
def test_a_column_with_gaps_is_a_number_and_not_the_amount(tmp_path, capsys, name):
    rows = claims(200, **{name: lambda rng, n: None if n % 9 == 3 else rng.randint(1, 900)})
    code, said = checked(capsys, written(tmp_path, rows, "rows.jsonl"))
    assert code == 0, said
    assert f"amount={name}" not in said
    assert f"numeric=[Age, {name}]" in said


def test_names_and_units_say_what_the_amount_is(tmp_path, capsys):
    for name in ("TransactionAmt", "price_usd", "AMOUNT"):
        rows = claims(200, **{name: lambda rng, n: rng.randint(1, 900)})
        assert f"amount={name}" in checked(capsys, written(tmp_path, rows))[1]
    rows = claims(200, BILL_AMT1=lambda rng, n: rng.randint(1, 900),
                  BILL_AMT2=lambda rng, n: rng.randint(1, 900))  # fmt: skip
    said = checked(capsys, written(tmp_path, rows))[1]
    assert "no amount: it may be BILL_AMT1, BILL_AMT2" in said


def test_times_split_the_rows_as_late_as_labels_are(tmp_path, capsys):
    data = written(tmp_path, payments(), "rows.jsonl")
    code, said = checked(capsys, data, "options.label_delay=2d")
    assert code == 0, said
    assert "latest rows by 'time'" in said
    assert "inside the 2d gap" in said
    code, said = checked(capsys, data, "data.split.stratify=true")
    assert code == 2  # what was known when is not respected then
    assert "labels are not known when the test split begins" in said


@pytest.mark.parametrize(
    ("write", "more"),
    [
        (lambda t: f"{t[8:10]}/{t[5:7]}/{t[:4]} {t[11:]}", []),
        (lambda t: f"{int(t[5:7])}/{int(t[8:10])}/{t[:4]} {t[11:16]} AM", []),
        (lambda t: f"{t[:19]}.25+00:00" if t[12] == "9" else f"{t[:19]}+00:00", []),
        (lambda t: f"{t.replace('T', ' ')}+00", []),
        (lambda t: t.replace("-", "/").replace("T", " "), []),
    ],
)
def test_times_are_read_in_every_form_that_is_clear(tmp_path, capsys, write, more):
    rows = payments(lambda row, n: {**row, "time": write(row["time"])})
    settings = ["options.label_delay=1d", *more]
    code, said = checked(capsys, written(tmp_path, rows, "rows.jsonl"), *settings)
    if write("2024-01-02T09:00:00").startswith("2024/"):
        assert code == 2  # no form by which splits sort
        assert "write dates as 2024-12-31" in said
        return
    assert code == 0, said
    plain = checked(capsys, written(tmp_path, payments(), "plain.jsonl"), *settings)[1]
    (rows_of,) = (part.split(" overlap")[0] for part in said.split("rows: ")[1:])
    assert rows_of in plain


@pytest.mark.slow
def test_a_run_reads_new_dates_as_its_own_or_not_at_all(tmp_path, capsys):
    def day(row, n):
        return {**row, "time": f"{n // 8 + 1:02d}/01/2024 {n % 8 + 8:02d}:00"}

    settings = {**SMALL, "options.label_delay": "1d", "training.max_steps": 1}
    given = {"out": tmp_path / "slashes", "settings": settings}
    run = toolkit.run(
        "fraud-detection", data=written(tmp_path, payments(day), "rows.jsonl"), **given
    )
    new = {"card": 3, "amount": 10.0, "kind": "a"}
    assert run.predict([{**new, "time": "03/11/2024"}]) == run.predict(
        [{**new, "time": "2024-11-03"}]
    )
    given["out"] = tmp_path / "iso"
    run = toolkit.run("fraud-detection", data=written(tmp_path, payments(), "iso.jsonl"), **given)
    with pytest.raises(toolkit.errors.UserError, match="may be 2024-11-03 or 2024-03-11"):
        run.predict([{**new, "time": "03/11/2024"}])


@pytest.mark.parametrize(
    "write",
    [
        lambda x: f"${x:,.2f}",
        lambda x: f"{x:,.2f} EUR".replace(",", " ").replace(".", ","),
        lambda x: f"\u20ac {x:,.2f}".translate(str.maketrans(",.", ".,")),
        lambda x: f"{x:.2f}".replace(".", ","),
        lambda x: f"CHF {x:,.2f}".replace(",", "'"),
        lambda x: f"${x:,.2f}" if x >= 0 else f"(${-x:,.2f})",
        lambda x: f"${x:,.2f}" if x >= 0 else f"-${-x:,.2f}",
        lambda x: f"{x:+.2f}",
    ],
)
def test_amounts_as_texts_are_the_numbers_they_say(write):
    import polars as pl
    from toolkit_plugins.tabular.money import decimal_mark, values_of

    values = [3.25, 1234.5, -8.0, 1_000_000.0, 12.75]
    column = pl.Series("amount", [*map(write, values), None])
    assert values_of(column, decimal_mark(column)).to_list() == [*values, None]


def test_whole_amounts_with_separators_are_thousands():
    import polars as pl
    from toolkit_plugins.tabular.money import decimal_mark, values_of

    column = pl.Series("amount", ["$1,234", "$900", "$12,000"])
    assert values_of(column, decimal_mark(column)).to_list() == [1234, 900, 12_000]


@pytest.mark.nightly
def test_a_run_on_amounts_as_texts_is_that_on_numbers(tmp_path):
    def run_of(name, write):
        rows = payments(lambda row, n: {**row, "amount": write(900.5 + 37 * n)})
        data = written(tmp_path, rows, f"{name}.jsonl")
        settings = {**SMALL, "options.label_delay": "1d", "training.max_steps": 2}
        run = toolkit.run("fraud-detection", data=data, out=tmp_path / name, settings=settings)
        new = {"time": "2024-02-01T10:00:00", "card": 3, "kind": "a", "amount": write(1234.5)}
        return run, data, run.predict([new])[0]["score"]

    def euros(value):
        return f"{value:,.2f} \u20ac".translate(str.maketrans(",.", ".,"))

    run, data, score = run_of("text", euros)
    assert score == pytest.approx(run_of("plain", float)[2], abs=1e-6)
    assert "decimal comma" in " ".join(run.record["data"]["notes"])
    out = tmp_path / "out.jsonl"
    assert outcome(["predict", str(run.path), data, "-o", str(out), "--quiet"]) == 0
    assert json.loads(out.read_text().splitlines()[0])["amount"] == euros(900.5)  # as it was


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_serve_takes_rows_as_the_table_has_them(tmp_path):
    pytest.importorskip("fastapi", reason="extra `serve` is not installed")
    import urllib.error
    import urllib.request

    from toolkit.deployment.serving import Server, ServerSettings

    def seconds(row, n):
        chip = None if n % 9 == 0 else bool(n % 2)
        card = None if n % 11 == 0 else n % 7
        return {**row, "time": 1_700_000_000 + 10_800 * n, "chip": chip, "card": card}

    settings = {**SMALL, "options.label_delay": "1d", "training.max_steps": 2}
    data = written(tmp_path, payments(seconds), "rows.jsonl")
    run = toolkit.run("fraud-detection", data=data, out=tmp_path / "run", settings=settings)
    first = {"time": 1_702_000_000, "card": 3, "amount": 20, "kind": "a", "chip": True}
    later = {**first, "time": 1_702_400_000, "chip": "true"}
    known = [{**first, "fraud": 1}, later]
    with Server({"payments": run}, ServerSettings(port=0)) as server:

        def ask(body):
            request = urllib.request.Request(  # noqa: S310 - our own address
                server.url + "/predict", json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )  # fmt: skip
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
                return [one["score"] for one in json.load(answer)]

        scores = ask(known)
        plain = run.predict([known[0], {**later, "chip": True}])
        assert scores == pytest.approx([p["score"] for p in plain], abs=1e-6)
        assert abs(scores[1] - ask([first, later])[1]) > 1e-7  # what is known of the first counts
        same = {**later, "chip": True}
        assert ask([first, later]) == pytest.approx(ask([first, same]), abs=1e-6)
        assert len(ask([{**first, "card": None, "kind": None, "chip": None}])) == 1
        with pytest.raises(urllib.error.HTTPError, match="422"):
            ask([{**first, "card": [1]}])
